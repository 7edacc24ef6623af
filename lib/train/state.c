/* SPDX-License-Identifier: MIT
 * state.c - states to resume from */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "../stream/message.h"
#include "../stream/output.h"
#include "state.h"

enum { COUNTS = 7,
       NUMBERS = 1 + ADDS_THRESHOLDS + 2 + ADDS_THRESHOLDS,
       BUFFERS = 4 };
#define STATE_LIMIT ((size_t)1 << 36)

static const char newest[] = "state.safetensors", before[] = "state-1.safetensors";
static const char *const buffer_name[BUFFERS] = { "weights", "first_moment", "second_moment", "mean_weights" };

/* the device buffers of a state; NULL where there is no running mean */
static void
buffers(struct adds_optimizer *o, float *p[BUFFERS])
{
	p[0] = adds_decoder_weights(o->decoder);
	p[1] = o->m;
	p[2] = o->v;
	p[3] = o->e;
}

static void
pack(const struct adds_state *s, const struct adds_optimizer *o, int64_t *count, double *number)
{
	int i;

	count[0] = s->epoch;
	count[1] = s->in_epoch;
	count[2] = s->step;
	count[3] = s->log_size;
	count[4] = s->session;
	count[5] = s->best_epoch;
	count[6] = o->step;
	number[0] = s->best_map;
	number[1] = s->sums.loss;
	number[2] = s->sums.labels;
	for (i = 0; i < ADDS_THRESHOLDS; i++) {
		number[3 + i] = s->best_accuracy[i];
		number[3 + ADDS_THRESHOLDS + i] = s->sums.accuracy[i];
	}
}

static void
unpack(struct adds_state *s, struct adds_optimizer *o, const int64_t *count, const double *number)
{
	int i;

	s->epoch = count[0];
	s->in_epoch = count[1];
	s->step = count[2];
	s->log_size = count[3];
	s->session = count[4];
	s->best_epoch = count[5];
	o->step = count[6];
	s->best_map = number[0];
	s->sums.loss = number[1];
	s->sums.labels = number[2];
	for (i = 0; i < ADDS_THRESHOLDS; i++) {
		s->best_accuracy[i] = number[3 + i];
		s->sums.accuracy[i] = number[3 + ADDS_THRESHOLDS + i];
	}
}

/* digest of what the state was trained on and of all its tensors, in name order */
static void
content_digest(const struct adds_message *m, char hex[33])
{
	XXH3_state_t *h = XXH3_createState();
	const char *data = adds_message_string(m, "data");
	XXH128_hash_t d = { 0, 0 };
	size_t i;

	if (h) {
		XXH3_128bits_reset(h);
		if (data)
			XXH3_128bits_update(h, data, strlen(data));
		for (i = 0; i < adds_message_tensors(m); i++) {
			const struct adds_tensor *t = adds_message_tensor_at(m, i);

			XXH3_128bits_update(h, t->name, strlen(t->name));
			XXH3_128bits_update(h, t->data, t->size);
		}
		d = XXH3_128bits_digest(h);
		XXH3_freeState(h);
	}
	snprintf(hex, 33, "%016llx%016llx", (unsigned long long)d.high64, (unsigned long long)d.low64);
}

static int
add_buffers(struct adds_message *m, struct adds_optimizer *o, struct adds_error *err)
{
	const int64_t size = adds_decoder_size(o->decoder);
	float *p[BUFFERS], *host = malloc((size_t)size * sizeof(*host));
	int i, rc = 0;

	if (!host)
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	buffers(o, p);
	for (i = 0; i < BUFFERS && rc == 0; i++)
		if (p[i] && (rc = o->b->ops->get(o->b, host, p[i], (size_t)size * sizeof(*host), err)) == 0)
			rc = adds_message_add(m, buffer_name[i], ADDS_F32, 1, &size, host, err);
	free(host);
	return rc;
}

static struct adds_message *
state_message(const struct adds_state *s, const char *data, struct adds_optimizer *o, struct adds_error *err)
{
	const int64_t counts = COUNTS, numbers = NUMBERS;
	struct adds_message *m = adds_message_new();
	int64_t count[COUNTS];
	double number[NUMBERS];
	char digest[33];

	if (!m) {
		adds_fail(err, ADDS_ENOMEM, "out of memory");
		return NULL;
	}
	pack(s, o, count, number);
	if (adds_message_add(m, "counts", ADDS_I64, 1, &counts, count, err) == 0 &&
	    adds_message_add(m, "numbers", ADDS_F64, 1, &numbers, number, err) == 0 && add_buffers(m, o, err) == 0) {
		if (adds_message_set_string(m, "record", "state", err) == 0 &&
		    adds_message_set_string(m, "data", data, err) == 0) {
			content_digest(m, digest);
			if (adds_message_set_string(m, "digest", digest, err) == 0)
				return m;
		}
	}
	adds_message_free(m);
	return NULL;
}

static int
write_message(const struct adds_message *m, const char *path, struct adds_error *err)
{
	struct adds_buf bytes = { 0 };
	struct adds_output *o = NULL;
	int rc;

	if ((rc = adds_message_bytes(m, &bytes, ADDS_JSON_LIMIT, err)) < 0)
		goto out;
	if (bytes.failed) {
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory");
		goto out;
	}
	if (!(o = adds_output_open(path, err))) {
		rc = err ? err->code : ADDS_EIO;
		goto out;
	}
	if ((rc = adds_output_write(o, bytes.p, bytes.n, err)) < 0)
		adds_output_abort(o);
	else
		rc = adds_output_commit(o, err);
out:
	adds_buf_release(&bytes);
	return rc;
}

int
adds_state_save(const struct adds_state *s, const char *data, struct adds_optimizer *o, const struct adds_run *r,
                struct adds_error *err)
{
	struct adds_message *m = state_message(s, data, o, err);
	char *new = adds_run_path(r, newest, err), *old = adds_run_path(r, before, err);
	int rc = ADDS_ENOMEM;

	if (m && new &&old) {
		if (rename(new, old) < 0 && errno != ENOENT)
			rc = adds_fail_errno(err, "cannot rename '%s'", new);
		else
			rc = write_message(m, new, err);
	}
	adds_message_free(m);
	free(new);
	free(old);
	return rc;
}

static int
check_state(const struct adds_message *m, const char *data, const struct adds_optimizer *o, struct adds_error *err)
{
	const struct adds_tensor *counts = adds_message_tensor(m, "counts"), *numbers = adds_message_tensor(m, "numbers");
	const char *digest = adds_message_string(m, "digest"), *trained_on = adds_message_string(m, "data");
	const size_t size = (size_t)adds_decoder_size(o->decoder) * sizeof(float);
	char content[33];
	int i;

	content_digest(m, content);
	if (!digest || strcmp(digest, content) != 0)
		return adds_fail(err, ADDS_EFORMAT, "its bytes are not those that were written");
	if (!trained_on || strcmp(trained_on, data) != 0)
		return adds_fail(
			err, ADDS_EMISMATCH,
			"the run was begun on other data (other pictures, labels or features): start anew with --replace");
	if (!counts || counts->dtype != ADDS_I64 || counts->size != COUNTS * sizeof(int64_t) || !numbers ||
	    numbers->dtype != ADDS_F64 || numbers->size != NUMBERS * sizeof(double))
		return adds_fail(err, ADDS_EFORMAT, "no state of this version");
	for (i = 0; i < BUFFERS; i++) {
		const struct adds_tensor *t = adds_message_tensor(m, buffer_name[i]);

		if (i == 3 && !o->e)
			continue;
		if (!t || t->dtype != ADDS_F32 || t->size != size)
			return adds_fail(err, ADDS_EFORMAT, "\"%s\" is missing or of another size", buffer_name[i]);
	}
	return 0;
}

static int
take_state(struct adds_state *s, struct adds_optimizer *o, const struct adds_message *m, struct adds_error *err)
{
	float *p[BUFFERS];
	int i, rc = 0;

	unpack(s, o, adds_message_tensor(m, "counts")->data, adds_message_tensor(m, "numbers")->data);
	buffers(o, p);
	for (i = 0; i < BUFFERS && rc == 0; i++)
		if (p[i]) {
			const struct adds_tensor *t = adds_message_tensor(m, buffer_name[i]);

			rc = o->b->ops->put(o->b, p[i], t->data, t->size, err);
		}
	return rc;
}

/* 1: taken; 0: not there; or an error */
static int
load_one(struct adds_state *s, const char *data, struct adds_optimizer *o, const struct adds_run *r, const char *name,
         struct adds_error *err)
{
	char *path = adds_run_path(r, name, err), *bytes = NULL;
	struct adds_message *m = NULL;
	size_t n;
	int rc = 0;

	if (!path)
		return ADDS_ENOMEM;
	if (access(path, F_OK) < 0)
		goto out;
	if (!(m = adds_message_new())) {
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory");
		goto out;
	}
	if ((rc = adds_message_read_file(m, path, "state of a run", STATE_LIMIT, ADDS_JSON_LIMIT, &bytes, &n, err)) < 0)
		goto out;
	if ((rc = check_state(m, data, o, err)) < 0)
		adds_fail_in(err, "'%s'", path);
	else
		rc = take_state(s, o, m, err) < 0 ? err->code : 1;
out:
	adds_message_free(m);
	free(bytes);
	free(path);
	return rc;
}

int
adds_state_load(struct adds_state *s, const char *data, struct adds_optimizer *o, const struct adds_run *r, int *older,
                struct adds_error *why, struct adds_error *err)
{
	struct adds_error first;
	int rc = load_one(s, data, o, r, newest, &first);

	if (older)
		*older = 0;
	if (rc == 1)
		return 1;
	if (rc == ADDS_EMISMATCH || rc == ADDS_ENOMEM) {
		if (err)
			*err = first;
		return rc;
	}
	if (rc < 0 && older) {
		*older = 1;
		if (why)
			*why = first;
	}
	return load_one(s, data, o, r, before, err);
}

/* ---- ranks ---- */

/* rank 0's buffer for all */
static int
share_buffer(struct adds_optimizer *o, float *p, float *host, struct adds_ranks *ranks, struct adds_error *err)
{
	const size_t bytes = (size_t)adds_decoder_size(o->decoder) * sizeof(*host);
	const int first = adds_ranks_first(ranks);
	int rc = first ? o->b->ops->get(o->b, host, p, bytes, err) : 0;

	if ((rc = adds_ranks_agree(ranks, rc, NULL, err)) < 0)
		return rc;
	adds_ranks_share(ranks, host, bytes);
	return first ? 0 : o->b->ops->put(o->b, p, host, bytes, err);
}

int
adds_state_share(struct adds_state *s, struct adds_optimizer *o, struct adds_ranks *ranks, int rc, struct adds_error *err)
{
	float *p[BUFFERS], *host;
	int i;

	if (adds_ranks_size(ranks) == 1)
		return rc;
	host = malloc((size_t)adds_decoder_size(o->decoder) * sizeof(*host));
	if (rc == 0 && !host)
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory");
	if ((rc = adds_ranks_agree(ranks, rc, NULL, err)) < 0)
		goto out;
	adds_ranks_share(ranks, s, sizeof(*s));
	adds_ranks_share(ranks, &o->step, sizeof(o->step));
	buffers(o, p);
	for (i = 0; i < BUFFERS && rc == 0; i++)
		if (p[i])
			rc = share_buffer(o, p[i], host, ranks, err);
out:
	free(host);
	return rc;
}

static int
weights_digest(struct adds_optimizer *o, uint64_t *digest, struct adds_error *err)
{
	const size_t bytes = (size_t)adds_decoder_size(o->decoder) * sizeof(float);
	float *host = malloc(bytes);
	int rc;

	if (!host)
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	if ((rc = o->b->ops->get(o->b, host, adds_decoder_weights(o->decoder), bytes, err)) == 0)
		*digest = XXH3_64bits(host, bytes);
	free(host);
	return rc;
}

int
adds_state_compare(struct adds_optimizer *o, struct adds_ranks *ranks, struct adds_error *err)
{
	uint64_t first = 0, mine = 0;
	int rc;

	if (adds_ranks_size(ranks) == 1)
		return 0;
	rc = weights_digest(o, &mine, err);
	if ((rc = adds_ranks_agree(ranks, rc, NULL, err)) < 0)
		return rc;
	first = mine;
	adds_ranks_share(ranks, &first, sizeof(first));
	if (first != mine)
		rc = adds_fail(
			err, ADDS_EDEVICE,
			"its weights are no longer those of rank 0: ranks that train together need processors and devices of one kind");
	return adds_ranks_agree(ranks, rc, NULL, err);
}
