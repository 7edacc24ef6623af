/* SPDX-License-Identifier: MIT
 * scores.c - a score stream's header, and its labelled records as a matrix */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "scores.h"

int
adds_score_header_read(struct adds_score_header *h, const struct adds_reader *r, struct adds_error *err)
{
	const struct adds_message *m = adds_reader_header(r);
	const char *kind = adds_message_string(m, "score");
	const struct adds_tensor *known = adds_message_tensor(m, "known");
	size_t L;

	memset(h, 0, sizeof(*h));
	if (!kind || (strcmp(kind, "logit") && strcmp(kind, "similarity")))
		return adds_fail(err, ADDS_EFORMAT,
		                 "%s: header: \"score\" is '%s', neither logit nor similarity",
		                 adds_reader_name(r), kind ? kind : "absent");
	h->kind = strcmp(kind, "logit") == 0 ? ADDS_SCORE_LOGIT : ADDS_SCORE_SIMILARITY;
	h->calibrated = adds_message_number(m, "calibrated", 0) == 1;
	h->checkpoint = adds_message_string(m, "checkpoint");
	if (!h->checkpoint)
		return adds_fail(err, ADDS_EFORMAT, "%s: header: no \"checkpoint\"", adds_reader_name(r));
	if (strlen(h->checkpoint) > ADDS_MAX_CHECKPOINT)
		return adds_fail(err, ADDS_ELIMIT, "%s: header: \"checkpoint\" has more than %d bytes", adds_reader_name(r),
		                 ADDS_MAX_CHECKPOINT);
	if (!(h->labels = adds_vocab_from_header(m, err)))
		return adds_fail_in(err, "%s: header", adds_reader_name(r));
	L = adds_vocab_size(h->labels);
	if (!(h->known = malloc(L + 1)))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %zu labels", L);
	memset(h->known, 1, L);
	if (!known)
		return 0;
	if (known->dtype != ADDS_U8 || known->rank != 1 || (size_t)known->shape[0] != L)
		return adds_fail(err, ADDS_EFORMAT, "%s: header: tensor 'known' is not U8 [%zu]", adds_reader_name(r), L);
	memcpy(h->known, known->data, L);
	return 0;
}

void
adds_score_header_release(struct adds_score_header *h)
{
	adds_vocab_free(h->labels);
	free(h->known);
	memset(h, 0, sizeof(*h));
}

int
adds_score_check(const struct adds_score_header *h, const struct adds_record *rec, struct adds_error *err)
{
	const size_t L = adds_vocab_size(h->labels);
	size_t i;

	if (!rec->scores || rec->nscores != L)
		return adds_fail(err, ADDS_EFORMAT, "'%.*s': %zu scores for %zu %s",
		                 (int)rec->path_len, rec->path, rec->nscores, L,
		                 ADDS_PLURAL(L, "label", "labels"));
	for (i = 0; i < L; i++)
		if (!isfinite(rec->scores[i]))
			return adds_fail(err, ADDS_EFORMAT, "'%.*s': the score of label '%s' is not finite", (int)rec->path_len,
			                 rec->path, adds_vocab_name(h->labels, i));
	return 0;
}

int
adds_score_targets(int8_t *y, int32_t *room, const struct adds_score_header *h, const struct adds_record *rec)
{
	const size_t L = adds_vocab_size(h->labels);
	size_t i, n;

	memset(y, -1, L);
	if (!rec->pos)
		return 0;
	if (rec->neg)
		for (i = 0; i < rec->nneg; i++)
			y[rec->neg[i]] = 0;
	else
		for (i = 0; i < L; i++)
			y[i] = h->known[i] ? 0 : -1;
	memcpy(room, rec->pos, rec->npos * sizeof(*room));
	n = adds_vocab_close(h->labels, room, rec->npos);
	for (i = 0; i < n; i++)
		y[room[i]] = 1;
	return 1;
}

/* room for one more row: by a half more, so that memory stays under twice the scores */
static int
grow(struct adds_scores *s, int64_t *room, struct adds_error *err)
{
	const int64_t more = s->n + s->n / 2 + 64;
	size_t cells;
	float *scores;
	int8_t *targets;

	if (s->n < *room)
		return 0;
	if (adds_mul_size((size_t)more, (size_t)(s->L ? s->L : 1), &cells) || cells > SIZE_MAX / sizeof(float))
		return adds_fail(err, ADDS_ELIMIT, "%lld x %lld scores do not fit memory", (long long)more, (long long)s->L);
	if (!(scores = realloc(s->scores, cells * sizeof(*scores))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %zu scores", cells);
	s->scores = scores;
	if (!(targets = realloc(s->targets, cells)))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %zu targets", cells);
	s->targets = targets;
	*room = more;
	return 0;
}

int
adds_scores_add(struct adds_scores *s, const float *scores, const int8_t *targets, struct adds_error *err)
{
	int rc;

	if ((rc = grow(s, &s->room, err)) < 0)
		return rc;
	memcpy(s->scores + s->n * s->L, scores, (size_t)s->L * sizeof(*scores));
	memcpy(s->targets + s->n * s->L, targets, (size_t)s->L);
	s->n++;
	return 0;
}

static int
add_record(struct adds_scores *s, int8_t *y, int32_t *room, const struct adds_record *rec, const struct adds_reader *r,
           struct adds_error *err)
{
	if (rec->type == ADDS_RECORD_ERROR)
		s->errors++;
	if (rec->type != ADDS_RECORD_PICTURE)
		return 0;
	if (adds_score_check(&s->header, rec, err) < 0)
		return adds_fail_in(err, "%s: record %llu", adds_reader_name(r), (unsigned long long)adds_reader_records(r) - 1);
	if (adds_score_targets(y, room, &s->header, rec))
		return adds_scores_add(s, rec->scores, y, err);
	s->unlabelled++;
	return 0;
}

int
adds_scores_read(struct adds_scores *s, struct adds_reader *r, struct adds_error *err)
{
	const struct adds_message *m;
	struct adds_record rec;
	int8_t *y = NULL;
	int32_t *room = NULL;
	int rc;

	memset(s, 0, sizeof(*s));
	if ((rc = adds_score_header_read(&s->header, r, err)) < 0)
		return rc;
	s->L = (int64_t)adds_vocab_size(s->header.labels);
	y = malloc((size_t)s->L + 1);
	room = malloc(((size_t)s->L + 1) * sizeof(*room));
	if (!y || !room) {
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory for %lld labels", (long long)s->L);
		goto out;
	}
	while ((rc = adds_reader_read(r, &m, err)) > 0) {
		if ((rc = adds_record_parse(&rec, m, s->L, err)) < 0) {
			adds_fail_in(err, "%s: record %llu", adds_reader_name(r), (unsigned long long)adds_reader_records(r) - 1);
			break;
		}
		if ((rc = add_record(s, y, room, &rec, r, err)) < 0)
			break;
	}
out:
	free(y);
	free(room);
	return rc;
}

void
adds_scores_release(struct adds_scores *s)
{
	adds_score_header_release(&s->header);
	free(s->scores);
	free(s->targets);
	memset(s, 0, sizeof(*s));
}
