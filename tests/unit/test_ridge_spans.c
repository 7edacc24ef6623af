/* SPDX-License-Identifier: MIT
 * test_ridge_spans.c - the fit's sums over all pictures against φ formed in full, in float64: more tokens × labels than
 * a span takes, pictures of unequal numbers of tiles, one with more tiles than a span has tokens, and one token a picture.
 * Errors of up to 10^-5 of the largest value pass; largest seen 6.7e-7. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/ridge/ridge_inside.h"
#include "unit.h"

enum { LABELS = 512,
       WIDTH = 8,
       PICTURES = 900,
       MOST_TILES = 4100 }; /* a span has 4,096 tokens of 512 labels */

#define TOLERANCE 1e-5

struct world {
	struct backend *b;
	struct adds_tileset s;
	struct adds_ridge_fit f;
	float *tokens, *texts, *Z;
	int8_t *targets;
	int64_t *at;
	float *p, *omega;     /* of the fit: [R, K], [n, K] */
	double *phi, *centre; /* φ_nk of one picture [K, D]; φ̄ [K, D] */
};

static uint64_t state;

static float
noise(void)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (float)(state >> 40) / (1 << 23) - 1;
}

static void
unit_rows(float *x, int64_t n)
{
	int64_t i, j;

	for (i = 0; i < n; i++) {
		double sum = 0;

		for (j = 0; j < WIDTH; j++)
			x[i * WIDTH + j] = noise();
		for (j = 0; j < WIDTH; j++)
			sum += (double)x[i * WIDTH + j] * (double)x[i * WIDTH + j];
		for (j = 0; j < WIDTH; j++)
			x[i * WIDTH + j] = (float)((double)x[i * WIDTH + j] / sqrt(sum));
	}
}

static float *
from_device(struct backend *b, struct mat m)
{
	const size_t n = (size_t)(m.rows * m.cols);
	float *x = malloc(n * sizeof(*x));
	struct adds_error err;

	ck_assert_int_eq(b->ops->get(b, x, m.p, n * sizeof(*x), &err), 0);
	return x;
}

/* tiles of a picture: 1 to 8, and many of one in the middle; or one each */
static void
make_pictures(struct world *w, int64_t n, int tiled)
{
	int64_t i, k;

	w->at = calloc((size_t)n + 1, sizeof(*w->at));
	for (i = 0; i < n; i++)
		w->at[i + 1] = w->at[i] + (!tiled ? 1 : i == n / 2 ? MOST_TILES
		                                                   : i % 8 + 1);
	w->tokens = malloc((size_t)(w->at[n] * WIDTH) * sizeof(float));
	unit_rows(w->tokens, w->at[n]);
	w->texts = malloc((size_t)(LABELS * WIDTH) * sizeof(float));
	unit_rows(w->texts, LABELS);
	w->Z = malloc((size_t)(n * LABELS) * sizeof(float));
	w->targets = malloc((size_t)(n * LABELS));
	for (i = 0; i < n; i++)
		for (k = 0; k < LABELS; k++) {
			w->Z[i * LABELS + k] = noise();
			w->targets[i * LABELS + k] = noise() > 0.9f ? -1 : noise() > 0.7f;
		}
}

static void
start(struct world *w, int64_t n, int tiled)
{
	int32_t labels[LABELS];
	struct adds_error err;
	int k;

	memset(w, 0, sizeof(*w));
	state = 1;
	make_pictures(w, n, tiled);
	for (k = 0; k < LABELS; k++)
		labels[k] = k;
	ck_assert((w->b = backend_open("cpu", 2, NULL, 0, &err)) != NULL);
	ck_assert_int_eq(adds_tileset_view(&w->s, w->b, mat_of(w->tokens, DT_F32, w->at[n], WIDTH),
	                                   (struct segs){ n, w->at }, &err),
	                 0);
	ck_assert_int_eq(adds_fit_init(&w->f, &w->s, w->Z, w->targets, w->texts, LABELS, labels, LABELS, 20, &err), 0);
	ck_assert_int_eq(w->f.K, LABELS);
	ck_assert_int_eq(w->f.p.p != NULL, tiled);
	w->p = tiled ? from_device(w->b, w->f.p) : NULL;
	w->omega = from_device(w->b, w->f.omega);
	w->phi = malloc((size_t)(LABELS * WIDTH) * sizeof(double));
	w->centre = calloc((size_t)(LABELS * WIDTH), sizeof(double));
}

static void
finish(struct world *w)
{
	adds_fit_release(&w->f);
	adds_tileset_release(&w->s);
	backend_close(w->b);
	free(w->tokens);
	free(w->texts);
	free(w->Z);
	free(w->targets);
	free(w->at);
	free(w->p);
	free(w->omega);
	free(w->phi);
	free(w->centre);
}

/* w->phi = φ of picture i */
static void
form(struct world *w, int64_t i)
{
	int64_t r, k, j;

	memset(w->phi, 0, (size_t)(LABELS * WIDTH) * sizeof(double));
	for (r = w->at[i]; r < w->at[i + 1]; r++)
		for (k = 0; k < LABELS; k++)
			for (j = 0; j < WIDTH; j++)
				w->phi[k * WIDTH + j] += (w->p ? (double)w->p[r * LABELS + k] : 1) *
				                         (double)w->tokens[r * WIDTH + j];
}

/* φ̄ = Σωφ/Σω, and Σ‖φ‖² over pictures and labels */
static void
form_means(struct world *w, double *squares)
{
	double *total = calloc(LABELS, sizeof(*total));
	int64_t i, k, j;

	*squares = 0;
	for (i = 0; i < w->s.n; i++) {
		form(w, i);
		for (k = 0; k < LABELS; k++) {
			const double o = (double)w->omega[i * LABELS + k];

			total[k] += o;
			for (j = 0; j < WIDTH; j++) {
				const double x = w->phi[k * WIDTH + j];

				w->centre[k * WIDTH + j] += o * x;
				*squares += x * x;
			}
		}
	}
	for (k = 0; k < LABELS; k++)
		for (j = 0; j < WIDTH; j++)
			w->centre[k * WIDTH + j] /= total[k];
	free(total);
}

/* Q of the operator for KP and P, from φ formed in full */
static void
form_operator(struct world *w, double *Q, const float *KP, const float *P, double lambda)
{
	const double over = 1 / w->f.scale;
	int64_t i, k, j;

	for (i = 0; i < LABELS * WIDTH; i++)
		Q[i] = lambda * (double)P[i];
	for (i = 0; i < w->s.n; i++) {
		form(w, i);
		for (k = 0; k < LABELS; k++) {
			const double *phi = w->phi + k * WIDTH, *centre = w->centre + k * WIDTH;
			double e = 0;

			for (j = 0; j < WIDTH; j++)
				e += over * (phi[j] - centre[j]) * (double)KP[k * WIDTH + j];
			e *= (double)w->omega[i * LABELS + k];
			for (j = 0; j < WIDTH; j++)
				Q[k * WIDTH + j] += e * over * (phi[j] - centre[j]);
		}
	}
}

static void
near(const char *what, struct backend *b, struct mat got, const double *want)
{
	float *g = from_device(b, got), *f = malloc((size_t)(LABELS * WIDTH) * sizeof(*f));
	double most = 0;
	int64_t i;

	for (i = 0; i < LABELS * WIDTH; i++) {
		f[i] = (float)want[i];
		most = fmax(most, fabs(want[i]));
	}
	if (getenv("UNIT_VERBOSE"))
		printf("# largest %g\n", most);
	check_close(what, g, f, LABELS * WIDTH, 0, TOLERANCE * most);
	free(g);
	free(f);
}

static void
check_world(int64_t n, int tiled)
{
	struct world w;
	double *want = calloc(LABELS * WIDTH, sizeof(*want)), squares, got;
	struct adds_error err;
	float *kp, *p;

	start(&w, n, tiled);
	form_means(&w, &squares);
	near("weighted means", w.b, w.f.phi, w.centre);
	if (tiled) {
		ck_assert_int_eq(adds_phi_squares(&got, &w.f, &err), 0);
		ck_assert_double_eq_tol(got / squares, 1, TOLERANCE);
	}
	ck_assert_int_eq(w.b->ops->copy(w.b, w.f.KP, w.f.u, &err), 0);
	ck_assert_int_eq(w.b->ops->copy(w.b, w.f.P, w.f.first, &err), 0);
	kp = from_device(w.b, w.f.KP);
	p = from_device(w.b, w.f.P);
	form_operator(&w, want, kp, p, 0.3);
	ck_assert_int_eq(adds_fit_operator(&w.f, 0.3, &err), 0);
	near("operator", w.b, w.f.Q, want);
	free(kp);
	free(p);
	free(want);
	finish(&w);
}

START_TEST(tiles)
{
	check_world(PICTURES, 1);
}
END_TEST

START_TEST(one_token_a_picture)
{
	check_world(4500, 0);
}
END_TEST

Suite *ridge_spans_suite(void);

Suite *
ridge_spans_suite(void)
{
	Suite *s = suite_create("ridge_spans");
	TCase *c = tcase_create("sums");

	tcase_set_timeout(c, 120);
	tcase_add_test(c, tiles);
	tcase_add_test(c, one_token_a_picture);
	suite_add_tcase(s, c);
	return s;
}
