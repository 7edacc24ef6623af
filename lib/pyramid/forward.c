/* SPDX-License-Identifier: MIT
 * forward.c - from an index stream to a feature stream */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "../clip/lanes.h"
#include "../dtype.h"
#include "conveyor.h"
#include "job.h"

struct run {
	struct adds_forward *f;
	int64_t labels;            /* of the vocabulary; 0: none */
	struct adds_message *held; /* a record that has been read already */
	int at_end;
	int32_t *tiles; /* [tiles, 6], the same for every picture */
	struct adds_job *jobs;
	void **slots;
	int njobs;
	/* batches on their way through the tower: batch g in lane g % lanes */
	struct adds_clip_lanes *lanes;
	void **to[ADDS_CLIP_LANES]; /* where the tokens of each tile belong */
	int have[ADDS_CLIP_LANES];
	uint64_t started, landed;
	pthread_mutex_t landing;      /* of landed */
	pthread_mutex_t lock;         /* over what follows */
	struct adds_cutter **cutters; /* one for each thread that decodes: the first idle ones wait here */
	int idle;
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

static struct adds_cutter *
take_cutter(struct run *r)
{
	struct adds_cutter *c;

	pthread_mutex_lock(&r->lock);
	c = r->cutters[--r->idle];
	pthread_mutex_unlock(&r->lock);
	return c;
}

static void
give_cutter(struct run *r, struct adds_cutter *c)
{
	pthread_mutex_lock(&r->lock);
	r->cutters[r->idle++] = c;
	pthread_mutex_unlock(&r->lock);
}

static int
prepare_stage(void *ctx, void **jobs, int n, struct adds_error *err)
{
	struct run *r = ctx;
	struct adds_job *j = jobs[0];
	struct adds_cutter *c = take_cutter(r);
	int rc = adds_job_prepare(j, r->f, c, err);

	(void)n;
	give_cutter(r, c);
	if (rc == 0 && j->state == ADDS_JOB_FAILED && r->f->stop)
		return adds_fail(err, j->err.code, "'%s': %s", j->path, j->err.msg);
	return rc;
}

/* Waits for the oldest batch under way, whose tokens go to their jobs; unless batch g has landed meanwhile. */
static int
land(struct run *r, uint64_t g, struct adds_error *err)
{
	const size_t bytes = adds_settings_bytes(r->f->settings) / (size_t)r->f->settings->plan.tiles;
	const int lane = (int)(g % (uint64_t)adds_clip_lanes_count(r->lanes));
	const void *tokens;
	int i, rc = 0;

	pthread_mutex_lock(&r->landing);
	if (r->landed == g && (rc = adds_clip_lanes_land(r->lanes, lane, &tokens, err)) == 0) {
		for (i = 0; i < r->have[lane]; i++)
			memcpy(r->to[lane][i], (const char *)tokens + (size_t)i * bytes, bytes);
		r->landed++;
	}
	pthread_mutex_unlock(&r->landing);
	return rc;
}

static int
start(struct run *r, int n, struct adds_error *err)
{
	const int lane = (int)(r->started % (uint64_t)adds_clip_lanes_count(r->lanes));
	const int rc = adds_clip_lanes_start(r->lanes, lane, n, err);

	r->have[lane] = n;
	r->started++;
	return rc;
}

/* Puts a job's tiles into batches; *have: tiles in the one that is being filled. */
static int
fill(struct run *r, struct adds_job *j, int *have, struct adds_error *err)
{
	const struct adds_settings *s = r->f->settings;
	const size_t tile = (size_t)s->plan.tile * (size_t)s->plan.tile * 3;
	const size_t tokens = adds_settings_bytes(s) / (size_t)s->plan.tiles;
	const uint64_t lanes = (uint64_t)adds_clip_lanes_count(r->lanes);
	int k = 0, i, n, rc;

	while (k < s->plan.tiles) {
		const int lane = (int)(r->started % lanes);

		if (*have == 0 && r->started >= lanes && (rc = land(r, r->started - lanes, err)) < 0)
			return rc;
		n = s->plan.tiles - k < r->f->batch - *have ? s->plan.tiles - k : r->f->batch - *have;
		if ((rc = adds_clip_lanes_put(r->lanes, lane, *have, j->tiles + (size_t)k * tile, n, err)) < 0)
			return rc;
		for (i = 0; i < n; i++)
			r->to[lane][*have + i] = (char *)j->tokens + (size_t)(k + i) * tokens;
		j->batch = r->started;
		k += n;
		*have += n;
		if (*have < r->f->batch)
			continue;
		if ((rc = start(r, *have, err)) < 0)
			return rc;
		*have = 0;
	}
	return 0;
}

static int
encode_stage(void *ctx, void **jobs, int n, struct adds_error *err)
{
	struct run *r = ctx;
	int i, have = 0, rc;

	for (i = 0; i < n; i++) {
		struct adds_job *j = jobs[i];

		if (j->state == ADDS_JOB_TILES && (rc = fill(r, j, &have, err)) < 0)
			return rc;
	}
	return have ? start(r, have, err) : 0;
}

/* A job is done when its last batch has landed. */
static int
land_stage(void *ctx, void **jobs, int n, struct adds_error *err)
{
	struct run *r = ctx;
	const struct adds_job *j = jobs[0];
	uint64_t g;
	int rc = 0;

	(void)n;
	if (j->state != ADDS_JOB_TILES)
		return 0;
	pthread_mutex_lock(&r->landing);
	g = r->landed;
	pthread_mutex_unlock(&r->landing);
	for (; rc == 0 && g <= j->batch; g++)
		rc = land(r, g, err);
	return rc;
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
		if (adds_record_parse(&rec, m, r->labels, err) < 0)
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
make_cutters(struct run *r, struct adds_error *err)
{
	if (!(r->cutters = calloc((size_t)r->f->threads, sizeof(struct adds_cutter *))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %d threads", r->f->threads);
	for (; r->idle < r->f->threads; r->idle++)
		if (!(r->cutters[r->idle] = adds_cutter_new(&r->f->settings->plan, err)))
			return ADDS_ENOMEM;
	return 0;
}

/* The tower's memory, the jobs' and the cutters', all at the start. */
static int
plan(struct run *r, struct adds_error *err)
{
	struct adds_forward *f = r->f;
	const struct adds_settings *s = f->settings;
	int i, rc;

	if (!(r->lanes = adds_clip_lanes_new(f->model, f->batch, s->tokens, s->pool, adds_device_dtype(s->dtype), err)))
		return err->code;
	f->batch = (int)adds_clip_lanes_tiles(r->lanes);
	f->halved = (int)adds_clip_lanes_halved(r->lanes);
	f->device_bytes = adds_clip_lanes_bytes(r->lanes);
	for (i = 0; i < adds_clip_lanes_count(r->lanes); i++)
		if (!(r->to[i] = malloc((size_t)f->batch * sizeof(*r->to[i]))))
			return adds_fail(err, ADDS_ENOMEM, "out of memory");
	r->njobs = f->threads + (1 + adds_clip_lanes_count(r->lanes)) * pictures_at_once(f) + 2;
	r->jobs = calloc((size_t)r->njobs, sizeof(*r->jobs));
	r->slots = calloc((size_t)r->njobs, sizeof(*r->slots));
	if (!r->jobs || !r->slots)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %d pictures at once", r->njobs);
	for (i = 0; i < r->njobs; i++) {
		r->slots[i] = &r->jobs[i];
		if ((rc = adds_job_room(&r->jobs[i], f, err)) < 0)
			return rc;
	}
	if ((rc = make_cutters(r, err)) < 0)
		return rc;
	if (f->planned)
		f->planned(f);
	return 0;
}

static void
run_release(struct run *r)
{
	int i;

	adds_clip_lanes_free(r->lanes);
	for (i = 0; r->jobs && i < r->njobs; i++)
		adds_job_release(&r->jobs[i], r->f);
	while (r->idle)
		adds_cutter_free(r->cutters[--r->idle]);
	free(r->cutters);
	pthread_mutex_destroy(&r->lock);
	adds_message_free(r->held);
	for (i = 0; i < ADDS_CLIP_LANES; i++)
		free(r->to[i]);
	free(r->tiles);
	free(r->jobs);
	free(r->slots);
	pthread_mutex_destroy(&r->landing);
}

int
adds_forward_run(struct adds_forward *f, struct adds_error *err)
{
	/* the encoder stays on this thread: a device may belong to it */
	struct adds_stage stages[] = { { 1, 1, read_stage, NULL },
		                       { f->threads, 1, prepare_stage, NULL },
		                       { 0, 1, encode_stage, &f->waited },
		                       { 1, 1, land_stage, NULL },
		                       { 1, 1, write_stage, NULL } };
	struct run r;
	int rc = 0;

	memset(&r, 0, sizeof(r));
	pthread_mutex_init(&r.landing, NULL);
	pthread_mutex_init(&r.lock, NULL);
	r.f = f;
	r.labels = count_labels(f->header);
	if (!(r.tiles = malloc((size_t)f->settings->plan.tiles * 6 * sizeof(*r.tiles)))) {
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory");
		goto out;
	}
	fill_tiles(r.tiles, f->settings);
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
	if ((rc = plan(&r, err)) < 0)
		goto out;
	stages[2].batch = pictures_at_once(f);
	rc = adds_conveyor_run(r.slots, r.njobs, stages, 5, &r, err);
out:
	run_release(&r);
	return rc;
}
