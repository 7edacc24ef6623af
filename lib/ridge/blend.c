/* SPDX-License-Identifier: MIT
 * blend.c - decoder and ridge on one scale, and how much of each */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../metric/metrics.h"
#include "blend.h"
#include "ridge_inside.h"

enum { WEIGHTS = 8 };

static const double weights[WEIGHTS] = { 0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 1 };

#define UPPER 2.5 /* above this logit asymmetric loss saturates */

/* ---- the loss's scale ---- */

/* log of the odds at which positive and negative gradients of the loss balance (ASL, Ridnik et al. 2021) */
static double
balance(double z, const struct loss_args *loss)
{
	const double clip = loss->kind == LOSS_ASL ? (double)loss->clip : 0;
	const double gp = loss->kind == LOSS_BCE ? 0 : (double)loss->gamma_pos,
		     gn = loss->kind == LOSS_BCE ? 0 : (double)loss->gamma_neg;
	const double p = 1 / (1 + exp(-z)), pm = p - clip;
	double positive = (gp + 1) * log1p(-p), negative = gn * log(pm) + log(p) + log1p(-p) - log1p(-pm);

	if (!loss->detach) {
		positive = gp * log1p(-p) + log(1 - p - gp * p * log(p));
		negative += log1p(-gn * (1 - pm) * log1p(-pm) / pm);
	}
	return negative - positive;
}

/* below this logit no negative is pushed any more, and the balance falls without end */
static double
lower(const struct loss_args *loss)
{
	const double p = (double)loss->clip + 0.01;

	return loss->kind == LOSS_ASL && loss->clip > 0 ? log(p / (1 - p)) : -6;
}

double
adds_loss_odds(double z, const struct loss_args *loss)
{
	const double low = lower(loss);

	if (z > UPPER)
		return balance(UPPER, loss) + z - UPPER;
	if (z < low)
		return balance(low, loss) + z - low;
	return balance(z, loss);
}

double
adds_loss_logit(double odds, const struct loss_args *loss)
{
	double a = lower(loss), b = UPPER;
	int i;

	if (odds >= balance(b, loss))
		return odds - balance(b, loss) + b;
	if (odds <= balance(a, loss))
		return odds - balance(a, loss) + a;
	for (i = 0; i < 60; i++) {
		const double middle = (a + b) / 2;

		if (balance(middle, loss) < odds)
			a = middle;
		else
			b = middle;
	}
	return (a + b) / 2;
}

void
adds_blend_run(float *out, const float *decoder, const float *ridge, const uint8_t *trained, int64_t n, int64_t L,
               const struct adds_blend *w)
{
	int64_t i, k;

#pragma omp parallel for private(k) schedule(static)
	for (i = 0; i < n; i++)
		for (k = 0; k < L; k++) {
			const double u = trained[k] ? w->trained : w->untrained;
			const int64_t c = i * L + k;

			out[c] =
				u == 0 ? ridge[c]
				       : (float)adds_loss_odds(
						 u * (double)decoder[c] +
							 (1 - u) * adds_loss_logit((double)ridge[c],
			                                                           &w->loss),
						 &w->loss);
		}
}

/* ---- the weights ---- */

int
adds_ridge_label_folds(int *fold, const float *texts, int64_t D, const int8_t *targets, int64_t N,
                       int64_t L, const int32_t *labels, int64_t n)
{
	int64_t i, k, judged = 0, distinct = 0, positives;

	for (k = 0; k < L; k++)
		fold[k] = -1;
	for (k = 0; k < n; k++) {
		for (i = positives = 0; i < N; i++)
			positives += targets[i * L + labels[k]] > 0;
		judged += positives >= ADDS_RIDGE_MIN_POSITIVES;
	}
	if (judged < ADDS_RIDGE_MIN_LABELS)
		return 0;
	for (k = 0; k < n; k++) {
		const float *t = texts + labels[k] * D;

		for (i = 0; i < k; i++)
			if (memcmp(t, texts + labels[i] * D, (size_t)D * sizeof(*t)) == 0)
				break;
		fold[labels[k]] = i < k ? fold[labels[i]] : (int)(distinct++ % ADDS_RIDGE_LABEL_FOLDS);
	}
	return ADDS_RIDGE_LABEL_FOLDS;
}

/* each label's mean over the pictures of a fold taken off; into y [N, L] */
static void
centre_folds(double *y, const float *x, int64_t N, int64_t L, const struct loss_args *loss)
{
	int64_t i, k;
	int p;

#pragma omp parallel for private(i, p) schedule(static)
	for (k = 0; k < L; k++)
		for (p = 0; p < ADDS_RIDGE_PICTURE_FOLDS; p++) {
			double sum = 0, n = 0;

			for (i = p; i < N; i += ADDS_RIDGE_PICTURE_FOLDS) {
				y[i * L + k] = loss ? adds_loss_logit((double)x[i * L + k], loss) : (double)x[i * L + k];
				sum += y[i * L + k];
				n++;
			}
			for (i = p; i < N; i += ADDS_RIDGE_PICTURE_FOLDS)
				y[i * L + k] -= sum / n;
		}
}

struct choice {
	const double *decoder, *ridge;
	const int8_t *targets; /* −1 for the cells that do not speak */
	const uint8_t *listed;
	int64_t N, L;
	int threads;
	float *S;
	double *ap, *zero, *d;
};

static int
choose(double *w, struct adds_ridge_gain *gain, struct choice *c, struct adds_error *err)
{
	double mean, best = 0;
	struct adds_ridge_gain g;
	int64_t i, k, n, rc;
	int j;

	*w = 0;
	memset(gain, 0, sizeof(*gain));
	for (j = 0; j < WEIGHTS; j++) {
		for (i = 0; i < c->N * c->L; i++)
			c->S[i] = (float)(weights[j] * c->decoder[i] + (1 - weights[j]) * c->ridge[i]);
		rc = adds_mean_ap(&mean, j ? c->ap : c->zero, NULL, c->S, c->targets, c->listed,
		                  c->N, c->L, ADDS_RIDGE_MIN_POSITIVES, ADDS_AP_STEP, c->threads,
		                  err);
		if (rc < 0)
			return (int)rc;
		for (k = n = 0; j && k < c->L; k++)
			if (!isnan(c->zero[k]))
				c->d[n++] = c->ap[k] - c->zero[k];
		mean = j ? adds_lower_bound(c->d, n, &g) : 0;
		if (j && mean > best) {
			best = mean;
			*w = weights[j];
			*gain = g;
		}
	}
	return 0;
}

/* targets of the cells in which label k was trained (held 0) or held out (held 1) */
static void
mask(int8_t *y, const int8_t *targets, const int *label_fold, int held, int64_t N, int64_t L)
{
	int64_t i, k;

	for (i = 0; i < N; i++)
		for (k = 0; k < L; k++) {
			const int out = label_fold[k] >= 0 && label_fold[k] == i % ADDS_RIDGE_PICTURE_FOLDS;

			y[i * L + k] = out == held ? targets[i * L + k] : -1;
		}
}

int
adds_blend_choose(struct adds_blend *w, const float *decoder, const float *ridge, const int8_t *targets, const uint8_t *trained,
                  const int *label_fold, int64_t N, int64_t L, int threads, struct adds_error *err)
{
	const size_t cells = (size_t)(N * L);
	double *both = malloc((2 * cells + 1) * sizeof(*both)), *ap = malloc((size_t)(3 * L + 1) * sizeof(*ap));
	float *S = malloc((cells + 1) * sizeof(*S));
	int8_t *y = malloc(cells + 1);
	uint8_t *listed = malloc((size_t)L + 1);
	struct choice c;
	int64_t k;
	int rc, folds = 0;

	if (!both || !ap || !S || !y || !listed) {
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory for %zu scores", cells);
		goto out;
	}
	c = (struct choice){ both, both + cells, y, listed, N, L, threads, S, ap, ap + L, ap + 2 * L };
	for (k = 0; k < L; k++) {
		listed[k] = trained[k];
		folds |= label_fold[k] >= 0;
	}
	centre_folds(both, decoder, N, L, NULL);
	centre_folds(both + cells, ridge, N, L, &w->loss);
	mask(y, targets, label_fold, 0, N, L);
	rc = choose(&w->trained, &w->gain_trained, &c, err);
	w->untrained = 0;
	memset(&w->gain_untrained, 0, sizeof(w->gain_untrained));
	if (rc == 0 && folds) {
		mask(y, targets, label_fold, 1, N, L);
		rc = choose(&w->untrained, &w->gain_untrained, &c, err);
	}
out:
	free(both);
	free(ap);
	free(S);
	free(y);
	free(listed);
	return rc;
}

/* ---- file ---- */

int
adds_blend_to_message(const struct adds_blend *w, struct adds_message *m, struct adds_error *err)
{
	cJSON *j = cJSON_CreateObject();

	cJSON_AddNumberToObject(j, "trained", w->trained);
	cJSON_AddNumberToObject(j, "untrained", w->untrained);
	cJSON_AddNumberToObject(j, "loss", w->loss.kind);
	cJSON_AddNumberToObject(j, "gamma_pos", (double)w->loss.gamma_pos);
	cJSON_AddNumberToObject(j, "gamma_neg", (double)w->loss.gamma_neg);
	cJSON_AddNumberToObject(j, "clip", (double)w->loss.clip);
	cJSON_AddNumberToObject(j, "detach", w->loss.detach);
	cJSON_AddNumberToObject(j, "gain_trained", w->gain_trained.mean);
	cJSON_AddNumberToObject(j, "gain_trained_error", w->gain_trained.error);
	cJSON_AddNumberToObject(j, "gain_untrained", w->gain_untrained.mean);
	cJSON_AddNumberToObject(j, "gain_untrained_error", w->gain_untrained.error);
	cJSON_DeleteItemFromObjectCaseSensitive(adds_message_meta(m), "blend");
	if (!cJSON_AddItemToObject(adds_message_meta(m), "blend", j))
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	return 0;
}

static double
number(const cJSON *j, const char *key)
{
	const cJSON *x = cJSON_GetObjectItemCaseSensitive(j, key);

	return cJSON_IsNumber(x) ? x->valuedouble : NAN;
}

int
adds_blend_from_message(struct adds_blend *w, const struct adds_message *m, struct adds_error *err)
{
	const cJSON *j = cJSON_GetObjectItemCaseSensitive(adds_message_meta_const(m), "blend");
	const double kind = number(j, "loss");

	memset(w, 0, sizeof(*w));
	w->trained = number(j, "trained");
	w->untrained = number(j, "untrained");
	w->loss.gamma_pos = (float)number(j, "gamma_pos");
	w->loss.gamma_neg = (float)number(j, "gamma_neg");
	w->loss.clip = (float)number(j, "clip");
	w->loss.detach = number(j, "detach") == 1;
	w->gain_trained.mean = number(j, "gain_trained");
	w->gain_trained.error = number(j, "gain_trained_error");
	w->gain_untrained.mean = number(j, "gain_untrained");
	w->gain_untrained.error = number(j, "gain_untrained_error");
	if (!(w->trained >= 0 && w->trained <= 1 && w->untrained >= 0 && w->untrained <= 1 &&
	      kind >= LOSS_ASL && kind <= LOSS_BCE && w->loss.gamma_pos >= 0 &&
	      w->loss.gamma_neg >= 0 && w->loss.clip >= 0 && w->loss.clip < 0.5f))
		return adds_fail(err, ADDS_EFORMAT, "no blend: its weights or its loss are missing or cannot be");
	w->loss.kind = (enum loss_kind)(int)kind;
	return 0;
}

void
adds_blend_summary(const struct adds_blend *w, char *text, size_t n)
{
	snprintf(
		text, n,
		"blend: %g of the decoder for trained labels, %g for others; change of held-out AP against the ridge alone %+.3f (+-%.3f) and %+.3f (+-%.3f)",
		w->trained, w->untrained, w->gain_trained.mean, w->gain_trained.error,
		w->gain_untrained.mean, w->gain_untrained.error);
}
