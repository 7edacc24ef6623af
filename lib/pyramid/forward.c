/* SPDX-License-Identifier: MIT
 * forward.c - from an index stream to a feature stream */
#include <stdlib.h>
#include <string.h>

#include "conveyor.h"
#include "job.h"

struct run {
	struct adds_forward *f;
	int64_t labels;            /* of the vocabulary; 0: none */
	struct adds_message *held; /* a record that has been read already */
	int at_end;
	int32_t *tiles;  /* [tiles, 6], the same for every picture */
	uint8_t *images; /* [batch, S, S, 3] */
	float *out;      /* [batch, tokens of a tile, E] */
	struct adds_job *jobs;
	void **slots;
	int njobs;
};

/* ---- stages ---- */

/* the next record, copied: 1, or 0 after the last */
static int
next_record(struct run *r, struct adds_message **m, struct adds_error *err)
{
	const struct adds_message *borrowed;
	int rc;

	*m = r->held;
	r->held = NULL;
	if (*m)
		return 1;
	if (r->at_end)
		return 0;
	if ((rc = adds_reader_read(r->f->in, &borrowed, err)) <= 0)
		return rc;
	*m = adds_message_copy(borrowed, err);
	return *m ? 1 : ADDS_ENOMEM;
}

static int
read_stage(void *ctx, void **jobs, int n, struct adds_error *err)
{
	struct run *r = ctx;
	struct adds_job *j = jobs[0];
	struct adds_message *m;
	int rc = next_record(r, &m, err);

	(void)n;
	if (rc <= 0)
		return rc;
	rc = adds_job_start(j, m, r->labels, err);
	return rc < 0 ? adds_fail_in(err, "%s: record %llu", adds_reader_name(r->f->in),
	                             (unsigned long long)adds_reader_records(r->f->in) - 1)
	              : 1;
}

static int
prepare_stage(void *ctx, void **jobs, int n, struct adds_error *err)
{
	struct run *r = ctx;
	struct adds_job *j = jobs[0];
	int rc = adds_job_prepare(j, r->f, err);

	(void)n;
	if (rc == 0 && j->state == ADDS_JOB_FAILED && r->f->stop)
		return adds_fail(err, j->err.code, "'%s': %s", j->path, j->err.msg);
	return rc;
}

/* tokens of one tile into their job, in the stream's type */
static void
store_tile(void *to, const float *from, size_t n, enum adds_dtype dtype)
{
	if (dtype == ADDS_F16)
		adds_f32_to_f16(to, from, n);
	else if (dtype == ADDS_BF16)
		adds_f32_to_bf16(to, from, n);
	else
		memcpy(to, from, n * sizeof(*from));
}

/* encodes n tiles that lie in images, and hands each to where it belongs */
static int
encode_tiles(struct run *r, void **to, int n, struct adds_error *err)
{
	const struct adds_settings *s = r->f->settings;
	const size_t each = (size_t)adds_settings_tile_tokens(s) * (size_t)s->clip.E;
	int i, rc;

	if (n == 0)
		return 0;
	if ((rc = adds_clip_images(r->f->model, r->images, n, s->tokens, s->pool, r->out, err)) < 0)
		return rc;
	for (i = 0; i < n; i++)
		store_tile(to[i], r->out + (size_t)i * each, each, s->dtype);
	return 0;
}

static int
encode_stage(void *ctx, void **jobs, int n, struct adds_error *err)
{
	struct run *r = ctx;
	const struct adds_settings *s = r->f->settings;
	const size_t tile = (size_t)s->plan.tile * (size_t)s->plan.tile * 3;
	const size_t tokens = adds_settings_bytes(s) / (size_t)s->plan.tiles;
	void *to[ADDS_PYRAMID_MAX_TILES];
	int i, k, have = 0, rc;

	for (i = 0; i < n; i++) {
		struct adds_job *j = jobs[i];

		for (k = 0; j->state == ADDS_JOB_TILES && k < s->plan.tiles; k++) {
			memcpy(r->images + (size_t)have * tile, j->tiles + (size_t)k * tile, tile);
			to[have++] = (char *)j->tokens + (size_t)k * tokens;
			if (have < r->f->batch)
				continue;
			if ((rc = encode_tiles(r, to, have, err)) < 0)
				return rc;
			have = 0;
		}
	}
	return encode_tiles(r, to, have, err);
}

static void
count(struct adds_forward *f, const struct adds_job *j)
{
	f->opened += (uint64_t)j->opened;
	f->found += (uint64_t)j->found;
	if (j->state == ADDS_JOB_FAILED && !f->first.msg[0])
		adds_fail(&f->first, j->err.code, "'%s': %s", j->path, j->err.msg);
	if (j->state == ADDS_JOB_FAILED || j->rec.type == ADDS_RECORD_ERROR)
		f->errors++;
	else if (j->rec.type == ADDS_RECORD_PICTURE)
		f->pictures++;
}

static int
write_stage(void *ctx, void **jobs, int n, struct adds_error *err)
{
	struct run *r = ctx;
	struct adds_forward *f = r->f;
	struct adds_job *j = jobs[0];
	struct adds_message *m = adds_job_message(j, f->settings, r->tiles, err);
	int rc;

	(void)n;
	if (!m)
		return ADDS_ENOMEM;
	if ((rc = adds_writer_write(f->out, m, err)) < 0)
		return rc;
	if (f->current && (rc = adds_current_add(f->current, j->note, err)) < 0)
		return rc;
	if (f->cache && j->state == ADDS_JOB_TILES)
		adds_cache_put(f->cache, j->sha256, j->tokens, adds_settings_bytes(f->settings), j->dimensions);
	count(f, j);
	adds_job_clear(j);
	if (f->progress)
		f->progress(f);
	return 0;
}

/* ---- an output that may be current ---- */

/* Reads records as long as they are those of the earlier run; the first that is not is held. */
static int
compare(struct run *r, struct adds_error *err)
{
	struct adds_forward *f = r->f;
	struct adds_file_stat st;
	struct adds_record rec;
	struct adds_note note;
	const struct adds_message *m;
	int rc;

	while ((rc = adds_reader_read(f->in, &m, err)) > 0) {
		if ((rc = adds_record_parse(&rec, m, r->labels, err)) < 0)
			return adds_fail_in(err, "%s: record %llu", adds_reader_name(f->in),
			                    (unsigned long long)adds_reader_records(f->in) - 1);
		note = adds_current_note(m, adds_job_look(&st, &rec) ? &st : NULL);
		if (adds_current_agrees(f->current, note))
			continue;
		r->held = adds_message_copy(m, err);
		return r->held ? 0 : ADDS_ENOMEM;
	}
	r->at_end = 1;
	return rc;
}

/* the records that agreed, from the old output */
static int
copy_old(struct adds_forward *f, struct adds_error *err)
{
	const uint64_t n = adds_current_records(f->current);
	const struct adds_message *m;
	struct adds_reader *old;
	uint64_t i;
	int rc = 1;

	if (!n)
		return 0;
	if (!(old = adds_reader_open(f->output, NULL, err)))
		return ADDS_EIO;
	for (i = 0; i < n && rc > 0; i++) {
		const char *kind;

		if ((rc = adds_reader_read(old, &m, err)) <= 0)
			break;
		kind = adds_message_string(m, "record");
		if (kind && strcmp(kind, "error") == 0)
			f->errors++;
		else if (kind && strcmp(kind, "picture") == 0)
			f->pictures++;
		if ((rc = adds_writer_write(f->out, m, err)) == 0)
			rc = 1;
	}
	adds_reader_close(old);
	if (rc == 0)
		return adds_fail(err, ADDS_EFORMAT, "%s: fewer records than it had when it was written: remove it and run again",
		                 f->output);
	return rc < 0 ? rc : 0;
}

/* ---- the run ---- */

static int64_t
count_labels(const struct adds_message *header)
{
	const struct adds_tensor *t = adds_message_tensor(header, "labels");
	int64_t n = 0;
	size_t i;

	for (i = 0; t && i < t->size; i++)
		n += ((const char *)t->data)[i] == '\0';
	return n;
}

static void
fill_tiles(int32_t *to, const struct adds_settings *s)
{
	const struct adds_pyramid *p = &s->plan;
	int level, row, col;

	for (level = 0; level < p->levels; level++)
		for (row = 0; row < p->grid[level]; row++)
			for (col = 0; col < p->grid[level]; col++) {
				*to++ = level;
				*to++ = row;
				*to++ = col;
				*to++ = adds_pyramid_offset(p->side[level], p->tile, p->grid[level], row);
				*to++ = adds_pyramid_offset(p->side[level], p->tile, p->grid[level], col);
				*to++ = adds_settings_tile_tokens(s);
			}
}

/* pictures that the encoder takes at once: those that fill a batch */
static int
pictures_at_once(const struct adds_forward *f)
{
	const int n = f->batch / f->settings->plan.tiles;

	return n > 0 ? n : 1;
}

static int
run_init(struct run *r, struct adds_error *err)
{
	struct adds_forward *f = r->f;
	const struct adds_settings *s = f->settings;
	const size_t batch = (size_t)f->batch, side = (size_t)s->plan.tile;
	int i;

	r->labels = count_labels(f->header);
	r->njobs = f->threads + 2 * pictures_at_once(f) + 2;
	r->tiles = malloc((size_t)s->plan.tiles * 6 * sizeof(*r->tiles));
	r->images = malloc(batch * side * side * 3);
	r->out = malloc(batch * (size_t)adds_settings_tile_tokens(s) * (size_t)s->clip.E * sizeof(*r->out));
	r->jobs = calloc((size_t)r->njobs, sizeof(*r->jobs));
	r->slots = calloc((size_t)r->njobs, sizeof(*r->slots));
	if (!r->tiles || !r->images || !r->out || !r->jobs || !r->slots)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for a batch of %d tiles", f->batch);
	fill_tiles(r->tiles, s);
	for (i = 0; i < r->njobs; i++)
		r->slots[i] = &r->jobs[i];
	return 0;
}

static void
run_release(struct run *r)
{
	int i;

	for (i = 0; r->jobs && i < r->njobs; i++)
		adds_job_release(&r->jobs[i]);
	adds_message_free(r->held);
	free(r->tiles);
	free(r->images);
	free(r->out);
	free(r->jobs);
	free(r->slots);
}

int
adds_forward_run(struct adds_forward *f, struct adds_error *err)
{
	/* the encoder stays on this thread: a device may belong to it */
	const struct adds_stage stages[] = { { 1, 1, read_stage },
		                             { f->threads, 1, prepare_stage },
		                             { 0, pictures_at_once(f), encode_stage },
		                             { 1, 1, write_stage } };
	struct run r;
	int rc;

	memset(&r, 0, sizeof(r));
	r.f = f;
	if ((rc = run_init(&r, err)) < 0)
		goto out;
	if (f->current && (rc = compare(&r, err)) < 0)
		goto out;
	if (r.at_end && adds_current_whole(f->current, &f->errors)) {
		f->pictures = adds_current_records(f->current) - f->errors;
		f->kept = 1;
		goto out;
	}
	if ((rc = adds_writer_header(f->out, f->header, err)) < 0)
		goto out;
	if (f->current && (rc = copy_old(f, err)) < 0)
		goto out;
	rc = adds_conveyor_run(r.slots, r.njobs, stages, 4, &r, err);
out:
	run_release(&r);
	return rc;
}
