/* SPDX-License-Identifier: MIT
 * index_run.c - from pictures to records: threads take blocks of pictures, the
 * main thread writes the blocks in order. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "../lib/stream/json.h"
#include "../lib/stream/message.h"
#include "index.h"

enum { BLOCK = 256 };
#define MAX_PICTURE ((size_t)512 << 20)

/* what has become of a block of pictures */
struct block {
	size_t number; /* of the block that lies or is made here */
	struct index_picture picture[BLOCK];
	size_t pictures;
	int ready, failed;
	struct adds_buf bytes;
	size_t end[BLOCK]; /* of each record in bytes */
	char error[BLOCK]; /* it is an error record */
	size_t n;
	uint64_t labelled, unlabelled;
	char first_error[1024];
	struct adds_error err;
};

/* All is under the pictures' lock. */
struct pool {
	struct index_run *run;
	struct block *block; /* a ring */
	size_t ring, per_block, next, written;
	int stopped; /* by an error: no more blocks */
};

/* one thread's own */
struct maker {
	struct pool *pool;
	struct index_labeller labeller;
	struct adds_targets recalled;
	struct index_bytes image;
	pthread_t thread;
};

/* ---- one picture ---- */

static void
end_record(struct block *b, int error)
{
	b->error[b->n] = (char)error;
	b->end[b->n++] = b->bytes.n;
}

static int
put_message(struct block *b, struct adds_message *m, int error, struct adds_error *err)
{
	int rc;

	if (!m)
		return err->code;
	rc = adds_message_bytes(m, &b->bytes, ADDS_JSON_LIMIT, err);
	adds_message_free(m);
	if (rc == 0)
		end_record(b, error);
	return rc;
}

/* An error becomes a record, or with stop ends the run. */
static int
fail(struct block *b, const struct index_picture *p, const char *stage, int stop, struct adds_error *err)
{
	struct adds_error why = *err;

	if (stop)
		return err->code;
	if (!b->first_error[0])
		memcpy(b->first_error, why.msg, sizeof(b->first_error));
	return put_message(b, adds_error_new(p->path, strlen(p->path), stage, why.msg, err), 1, err);
}

/* Whether a hash lies in the part and the shard that are taken: the part by its
 * upper 53 bits as a fraction, the shard by its remainder. */
static int
taken(const struct index_run *run, uint64_t hash)
{
	const double x = (double)(hash >> 11) * 0x1p-53;

	return x >= run->from && x < run->to && hash % run->shards == run->shard;
}

static int
put_picture(struct maker *m, struct block *b, const struct index_picture *p, const struct stat *st,
            const struct adds_targets *g, struct adds_error *err)
{
	static const int32_t none[1];
	struct adds_picture_fields f = { .path = p->path, .path_len = strlen(p->path), .bytes = st->st_size };
	struct adds_message *message;
	unsigned char *bytes;
	size_t used;
	const int64_t len = (int64_t)m->image.len;
	int rc;

	f.mtime = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
	if (g) {
		f.pos = g->npos ? g->pos : none;
		f.npos = g->npos;
	}
	if (g && g->has_neg) {
		f.neg = g->nneg ? g->neg : none;
		f.nneg = g->nneg;
	}
	if (!m->pool->run->embed) {
		if (adds_buf_reserve(&b->bytes, ADDS_PICTURE_BYTES(f.path_len, f.npos + f.nneg)) < 0)
			return adds_fail(err, ADDS_ENOMEM, "out of memory for records");
		b->bytes.n += adds_picture_bytes(b->bytes.p + b->bytes.n, &f);
		end_record(b, 0);
		return 0;
	}
	if (!(bytes = malloc(ADDS_PICTURE_BYTES(f.path_len, f.npos + f.nneg))) || !(message = adds_message_new())) {
		free(bytes);
		return adds_fail(err, ADDS_ENOMEM, "out of memory for records");
	}
	used = adds_picture_bytes(bytes, &f);
	rc = adds_message_parse(message, bytes, used, used, ADDS_JSON_LIMIT, &used, err);
	if (rc == 0)
		rc = adds_message_add(message, "image", ADDS_U8, 1, &len, m->image.p, err);
	if (rc == 0 && (rc = adds_message_bytes(message, &b->bytes, ADDS_JSON_LIMIT, err)) == 0)
		end_record(b, 0);
	adds_message_free(message);
	free(bytes);
	return rc;
}

/* What is read of the picture itself: its state, and with --embed or --by content its bytes. */
static int
look_at(struct maker *m, const struct index_picture *p, struct stat *st, struct adds_error *err)
{
	if (p->beside & INDEX_FOLDER) {
		const int fd = open(p->path, O_RDONLY | O_CLOEXEC | O_DIRECTORY);

		if (fd < 0)
			return adds_fail_errno(err, "cannot read the folder '%s'", p->path);
		close(fd);
		return adds_fail(err, ADDS_EIO, "cannot read the folder '%s'", p->path);
	}
	if (stat(p->path, st) < 0)
		return adds_fail_errno(err, "cannot open '%s'", p->path);
	if (!S_ISREG(st->st_mode))
		return adds_fail(err, ADDS_EIO, "'%s' is not a regular file", p->path);
	if (!m->pool->run->embed && !m->pool->run->by_content)
		return 0;
	return index_read(&m->image, p->path, MAX_PICTURE, 0, err);
}

/* A picture that is not labelled here, of another part or one that cannot be read: the tables speak of it all the same. */
static void
pass_over(const struct index_run *run, const struct index_picture *p)
{
	const struct adds_table *t;

	if (!run->kept)
		index_entry(run->labels, p, &t);
}

static int
add_picture(struct maker *m, struct block *b, size_t i, struct adds_error *err)
{
	struct index_run *run = m->pool->run;
	const struct index_picture *p = &b->picture[i];
	const char *relative = p->path + p->relative;
	const uint64_t by_path = XXH64(relative, strlen(relative), run->seed);
	const struct adds_targets *g = run->kept ? &m->recalled : &m->labeller.targets;
	struct stat st;
	int rc;

	if (!run->by_content && !taken(run, by_path)) {
		pass_over(run, p);
		return 0;
	}
	rc = look_at(m, p, &st, err);
	if (rc < 0 && run->stop_pictures) /* nobody knows whose share it is */
		return fail(b, p, "read", 1, err);
	if (run->by_content && !taken(run, rc < 0 ? by_path : XXH64(m->image.p, m->image.len, run->seed))) {
		pass_over(run, p);
		return 0;
	}
	if (rc < 0) {
		pass_over(run, p);
		return fail(b, p, "read", 0, err);
	}
	rc = run->kept ? index_recall(run->kept, b->number * m->pool->per_block + i, &m->recalled,
	                              err)
	               : index_label(&m->labeller, p, err);
	if (rc < 0)
		return fail(b, p, "label", run->stop_labels, err);
	if (rc == 0 && run->require_labels)
		return adds_fail(err, ADDS_EFORMAT, "'%s' has no label file (--require-labels)", p->path);
	b->labelled += rc > 0;
	b->unlabelled += rc == 0;
	return put_picture(m, b, p, &st, rc > 0 ? g : NULL, err);
}

/* ---- blocks ---- */

static void
make_block(struct maker *m, struct block *b)
{
	size_t i;

	b->bytes.n = b->n = 0;
	b->labelled = b->unlabelled = 0;
	b->first_error[0] = '\0';
	b->failed = 0;
	for (i = 0; i < b->pictures && !b->failed; i++)
		b->failed = add_picture(m, b, i, &b->err) < 0;
	if (!b->failed && b->bytes.failed)
		b->failed = adds_fail(&b->err, ADDS_ENOMEM, "out of memory for records") < 0;
}

/* Waits for the pictures of block k: whether there are any. */
static int
wait_for_pictures(const struct pool *p, size_t k)
{
	struct index_pictures *q = p->run->pictures;

	q->waiting++;
	while (!p->stopped && !q->all && q->n < (k + 1) * p->per_block)
		pthread_cond_wait(&q->changed, &q->lock);
	q->waiting--;
	return !p->stopped && q->n > k * p->per_block;
}

/* The next block, once its place in the ring is free and its pictures are found;
 * NULL after the last. */
static struct block *
claim(struct pool *p)
{
	struct index_pictures *q = p->run->pictures;
	struct block *b = NULL;
	size_t k;

	pthread_mutex_lock(&q->lock);
	k = p->next++;
	while (!p->stopped && k >= p->written + p->ring)
		pthread_cond_wait(&q->changed, &q->lock);
	if (wait_for_pictures(p, k)) {
		b = &p->block[k % p->ring];
		b->number = k;
		b->pictures = q->n - k * p->per_block;
		if (b->pictures > p->per_block)
			b->pictures = p->per_block;
		memcpy(b->picture, q->item + k * p->per_block, b->pictures * sizeof(*b->picture));
	}
	pthread_mutex_unlock(&q->lock);
	return b;
}

static void *
make_blocks(void *arg)
{
	struct maker *m = arg;
	struct index_pictures *q = m->pool->run->pictures;
	struct block *b;

	while ((b = claim(m->pool))) {
		make_block(m, b);
		pthread_mutex_lock(&q->lock);
		b->ready = 1;
		pthread_cond_broadcast(&q->changed);
		pthread_mutex_unlock(&q->lock);
	}
	return NULL;
}

static int
write_block(struct index_run *run, const struct block *b, struct adds_writer *w, struct adds_error *err)
{
	size_t i, at = 0;
	int rc;

	for (i = 0; i < b->n; at = b->end[i++])
		if ((rc = adds_writer_write_bytes(w, b->bytes.p + at, b->end[i] - at, b->error[i], err)) < 0)
			return rc;
	for (i = 0; i < b->n; i++)
		run->errors += b->error[i] != 0;
	run->written += b->n;
	run->labelled += b->labelled;
	run->unlabelled += b->unlabelled;
	if (!run->first_error[0])
		memcpy(run->first_error, b->first_error, sizeof(run->first_error));
	if (b->failed)
		*err = b->err;
	return b->failed ? b->err.code : 0;
}

/* Waits for block k; NULL after the last. */
static struct block *
wait_for_block(struct pool *p, size_t k)
{
	struct index_pictures *q = p->run->pictures;
	struct block *b = &p->block[k % p->ring];

	pthread_mutex_lock(&q->lock);
	while (!(b->ready && b->number == k) && !(q->all && q->n <= k * p->per_block))
		pthread_cond_wait(&q->changed, &q->lock);
	if (!b->ready)
		b = NULL;
	pthread_mutex_unlock(&q->lock);
	return b;
}

/* Block k is written, or the run is stopped. */
static void
pass_on(struct pool *p, struct block *b, size_t k, int stopped)
{
	struct index_pictures *q = p->run->pictures;

	pthread_mutex_lock(&q->lock);
	b->ready = 0;
	p->written = k + 1;
	p->stopped = stopped;
	pthread_cond_broadcast(&q->changed);
	pthread_mutex_unlock(&q->lock);
}

static int
write_blocks(struct pool *p, struct adds_writer *w, struct adds_error *err)
{
	struct block *b;
	size_t k;
	int rc = 0;

	for (k = 0; rc == 0 && (b = wait_for_block(p, k)); k++) {
		rc = write_block(p->run, b, w, err);
		pass_on(p, b, k, rc < 0);
		cmd_progress("%llu records", (unsigned long long)p->run->written);
	}
	return rc;
}

static void
start(struct maker *m, struct pool *p)
{
	int rc;

	m->pool = p;
	index_labeller_init(&m->labeller, p->run->labels, p->run->labels->v, 0);
	if ((rc = pthread_create(&m->thread, NULL, make_blocks, m)) != 0)
		die("cannot start a thread: %s", strerror(rc));
}

static void
stop(struct maker *m)
{
	struct index_run *run = m->pool->run;

	pthread_join(m->thread, NULL);
	if (!run->unknown)
		memcpy(run->first_unknown, m->labeller.first_unknown, sizeof(run->first_unknown));
	run->unknown += m->labeller.unknown;
	index_labeller_release(&m->labeller);
	free(m->image.p);
}

int
index_run(struct index_run *run, struct adds_writer *w, struct adds_error *err)
{
	struct pool p = { .run = run, .ring = 2 * (size_t)run->threads, .per_block = run->embed || run->by_content ? 1 : BLOCK };
	struct maker *m = cmd_alloc((size_t)run->threads, sizeof(*m));
	size_t i;
	int rc;

	p.block = cmd_alloc(p.ring, sizeof(*p.block));
	for (i = 0; i < (size_t)run->threads; i++)
		start(&m[i], &p);
	rc = write_blocks(&p, w, err);
	for (i = 0; i < (size_t)run->threads; i++)
		stop(&m[i]);
	for (i = 0; i < p.ring; i++)
		adds_buf_release(&p.block[i].bytes);
	free(p.block);
	free(m);
	return rc;
}
