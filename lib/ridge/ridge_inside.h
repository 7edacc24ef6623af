/* SPDX-License-Identifier: MIT
 * ridge_inside.h - what the files of the room share */
#ifndef ADDS_RIDGE_INSIDE_H
#define ADDS_RIDGE_INSIDE_H

#include "ridge.h"

enum {
	ADDS_RIDGE_LABEL_FOLDS = 4,
	ADDS_RIDGE_PICTURE_FOLDS = 3,
	ADDS_RIDGE_MIN_POSITIVES = 3, /* of a label that is judged */
	ADDS_RIDGE_MIN_LABELS = 12,   /* judged ones, or untrained labels keep zero-shot */
	ADDS_RIDGE_MIN_PICTURES = 6,
	ADDS_RIDGE_CAP = 50, /* a label's positives weigh as this many at most */
	ADDS_RIDGE_STEPS = 60,
};

#define ADDS_RIDGE_TAU 1.0
#define ADDS_RIDGE_TAU_MEAN 0.3

/* ---- ridge.c: how far the training is ---- */
struct adds_ridge_course {
	const struct adds_ridge_watch *watch; /* NULL: nobody */
	int64_t done, of;                     /* fits */
};

int adds_ridge_stop(const struct adds_ridge_course *c);
/* So many more fits are done, so many more are to be done. */
void adds_ridge_count(struct adds_ridge_course *c, int64_t done, int64_t of);

/* ---- tiles.c: pictures as segments of token rows on the device ---- */
struct adds_tileset {
	struct backend *b;
	struct mat v; /* [R, D] */
	void *own;    /* its memory, if it is a copy */
	int64_t n;
	int64_t *at; /* [n + 1] */
	int single;  /* every picture has one token */
};

struct segs adds_tileset_segs(const struct adds_tileset *s);
int adds_tileset_view(struct adds_tileset *s, struct backend *b, struct mat tokens, struct segs pictures, struct adds_error *err);
int adds_tileset_take(struct adds_tileset *s, const struct adds_tileset *from, const int64_t *list, int64_t n,
                      struct adds_error *err);
void adds_tileset_release(struct adds_tileset *s);

/* Device memory as a matrix; NULL p on failure. */
int adds_device(struct backend *b, struct mat *m, int64_t rows, int64_t cols, struct adds_error *err);
int adds_device_put(struct backend *b, struct mat *m, const float *host, int64_t rows, int64_t cols, struct adds_error *err);

/* One product C = alpha·op(A)·op(B) + beta·C in f32. */
int adds_product(struct backend *b, struct mat c, struct mat a, int ta, struct mat bm, int tb, float alpha, float beta,
                 struct adds_error *err);

/* columns of labels that are worked on at a time, for R token rows */
int64_t adds_ridge_block(int64_t rows, int64_t labels);

/* σ of a reading: the deviation of all cosines of tiles and texts (numpy's std with ddof = 1); 1
 * where every picture has one token. */
int adds_read_sigma(double *sigma, const struct adds_tileset *s, const float *texts, int64_t L,
                    const float *mean_text, double share, struct adds_error *err);
/* Reading: Z host [n, L] for texts host [L, D]; sigma is looked at where sharp > 0. */
int adds_read_tiles(float *Z, const struct adds_tileset *s, const float *texts, int64_t L, const float *mean_text, double share,
                    double sharp, double sigma, struct adds_error *err);

/* p[R, L] = softmax over each picture's tiles of β·v·t; *p.p NULL where every picture has one token. */
int adds_pool_weights(struct mat *p, const struct adds_tileset *s, struct mat texts, double beta, struct adds_error *err);

/* ---- directions.c: directions about a mean text, kernels of texts ---- */
void adds_mean_text(float *mean, const float *texts, int64_t D, const int32_t *rows, int64_t n);
/* U[i] = (t − mean)/‖t − mean‖, 0 where they are equal; rows NULL: 0 … n-1 */
void adds_centred_texts(float *U, const float *texts, int64_t D, const int32_t *rows, int64_t n, const float *mean);
/* k[n, m] = exp(−(1 − a·bᵀ)/τ) on the device */
int adds_text_kernel(struct backend *b, struct mat k, struct mat a, struct mat bm, double tau, struct adds_error *err);

/* ---- fit.c ---- */
struct adds_ridge_fit { /* one regression on a set of pictures: all that does not hang on λ */
	const struct adds_tileset *s;
	int64_t K, D;
	int32_t *labels; /* [K] rows of the vocabulary */
	float *mean_text, *U, *mu;
	double scale, s_zero;
	struct mat kernel;            /* [K, K] */
	struct mat u;                 /* [K, D] on the device */
	struct mat p;                 /* [R, K] or p NULL */
	struct mat omega;             /* [n, K] */
	struct mat phi;               /* [K, D]: weighted mean of φ */
	struct mat first;             /* [K, D]: the first residual */
	struct mat A, R, P, KP, Q, T; /* [K, D] */
	struct mat past;              /* [(steps + 1)·K, D]: all residuals so far */
	struct mat E, G;              /* [pictures of a span, K], [tokens of a span, K] */
	struct mat sums, offset;      /* [1, K] */
	int64_t *at;                  /* where the pictures of a span begin in it */
	int steps;
};

/* labels: n rows that may be trained; those without a known positive and a known negative in s are dropped (K may be 0).
 * Z [n, L], targets [n, L]: host, the rows of s. Release it, also after a failure. */
int adds_fit_init(struct adds_ridge_fit *f, const struct adds_tileset *s, const float *Z, const int8_t *targets,
                  const float *texts, int64_t L, const int32_t *labels, int64_t n, double beta, struct adds_error *err);
/* A by conjugate gradients; steps 0: to the residual. 1: told to stop, and A is none. */
int adds_fit_solve(struct adds_ridge_fit *f, double lambda, int steps, struct adds_ridge_course *c, struct adds_error *err);
void adds_fit_release(struct adds_ridge_fit *f);

/* w[L, D] (device): what φ − μ is multiplied with to give h for these texts (host [L, D]) */
int adds_fit_weights(struct mat w, const struct adds_ridge_fit *f, const float *texts, int64_t L, struct adds_error *err);
/* H host [n, L] = (φ − μ)·w; p as of adds_pool_weights for the same L texts */
int adds_correction(float *H, const struct adds_tileset *s, struct mat p, struct mat w, const float *mu, struct adds_error *err);

/* ---- spans.c: what the fit does with all pictures, some of them at a time ---- */
/* room for a span: f->E, f->G, f->at */
int adds_spans_init(struct adds_ridge_fit *f, struct adds_error *err);
/* Σ ‖φ_nk‖² over pictures and labels, where pictures have several tokens */
int adds_phi_squares(double *sum, const struct adds_ridge_fit *f, struct adds_error *err);
/* out[k] = Σ_n E_nk φ_nk and f->sums[k] = Σ_n E_nk; E [n, K] */
int adds_phi_sums(struct mat out, const struct adds_ridge_fit *f, struct mat e, struct adds_error *err);
/* From such sums to those over (φ − φ̄)/scale; f->T is scratch. */
int adds_phi_centre(struct mat out, const struct adds_ridge_fit *f, struct adds_error *err);
/* Q = (data term)·KP + λ·P */
int adds_fit_operator(const struct adds_ridge_fit *f, double lambda, struct adds_error *err);

/* ---- fold.c ---- */
struct adds_ridge_fold {          /* every third picture, and the others */
	struct adds_tileset a, b; /* the others, which teach; the fold's own, which are scored */
	int64_t *list_a, *list_b, na, nb;
	float *Z;           /* [na, L] */
	int8_t *y;          /* [na, L] */
	const float *texts; /* [n, D] of the labels that are scored */
	int64_t n;
	struct mat p, w; /* [R_b, n] or p NULL; [n, D] */
	float *H;        /* [nb, n] */
};

/* Fold number p of the pictures of s; Z, targets [s->n, L]; texts host [n, D] must outlive o.
 * Release it, also after a failure. */
int adds_fold_init(struct adds_ridge_fold *o, int p, const struct adds_tileset *s, const float *Z,
                   const int8_t *targets, int64_t L, const float *texts, int64_t n, double beta,
                   struct adds_error *err);
/* Corrections of the fold's pictures by what f learnt of the others, into their rows of to [s->n, n]. */
int adds_fold_correct(float *to, struct adds_ridge_fold *o, const struct adds_ridge_fit *f, struct adds_error *err);
void adds_fold_release(struct adds_ridge_fold *o);

/* ---- choose.c ---- */
int64_t adds_usable(int32_t *out, const int8_t *targets, int64_t n, int64_t L, const int32_t *labels, int64_t nlabels);
double adds_lower_bound(const double *d, int64_t n, struct adds_ridge_gain *gain);

struct adds_strength { /* result of the search */
	double lambda, rho_trained, rho_untrained;
	int folds; /* 1: too few labels to hold any out */
	int *fold; /* [L]: label fold, -1 for others */
	float *H;  /* [folds, n, L]: out-of-fold corrections at the chosen λ */
	int64_t judged;
	struct adds_ridge_gain trained, untrained;
};

/* both: 1 where they were told to stop */
int adds_choose_reading(double *share, double *sharp, struct adds_ridge_gain *gain,
                        const struct adds_tileset *s, const float *texts, const int8_t *targets,
                        int64_t L, const int32_t *labels, int64_t n, int threads,
                        const struct adds_ridge_course *c, struct adds_error *err);
int adds_choose_strength(struct adds_strength *q, const struct adds_tileset *s, const float *Z, const float *texts,
                         const int8_t *targets, int64_t L, const int32_t *labels, int64_t n, double beta, int threads,
                         struct adds_ridge_course *c, struct adds_error *err);
void adds_strength_release(struct adds_strength *q);

/* ---- calibrate.c ---- */
/* logit = A·x + B + o per column, damped Newton; x, targets [n, K]; offsets [K] or NULL for none, penalty ½·penalty·o². */
int adds_newton(double *slope, double *intercept, double *offsets, const float *x, const int8_t *targets, int64_t n, int64_t K,
                double penalty, int threads, struct adds_error *err);
/* Solves (κ + 0.1·I)·w = y in place of y; κ f64 [n, n] is overwritten. */
int adds_solve_spd(double *y, double *k, int64_t n, struct adds_error *err);

#endif
