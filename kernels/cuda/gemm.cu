/* SPDX-License-Identifier: MIT
 *
 * gemm.cu - independent products. Jobs in a row that have one shape and lie at
 * even distances go to the library as one batch, by the algorithm that it has
 * for one of them: a job's bits do not depend on its company.
 */
#include "library.cuh"

enum {
	BATCH = 32768,            /* jobs of one batch, at most */
	NARROW_BYTES = 256 << 20, /* factors rounded at a time */
	LONG = 2047,              /* longest sum of f32 factors in one piece; else blocks … */
	SUM_ROWS = 1024,          /* … of so many */
};

static int
same_shape(struct mat a, struct mat b)
{
	return a.t == b.t && a.rows == b.rows && a.cols == b.cols && a.ld == b.ld;
}

/* elements from a to b; 0 in *even where the two are not equally aligned, for then other algorithms may serve them */
static int64_t
distance(struct mat a, struct mat b, int *even)
{
	const int64_t bytes = (int64_t)((intptr_t)b.p - (intptr_t)a.p);

	*even &= bytes % 16 == 0;
	return bytes / (int64_t)dtype_size(a.t);
}

static int
alike(const struct gemm_job *a, const struct gemm_job *b)
{
	return same_shape(a->a, b->a) && same_shape(a->b, b->b) && same_shape(a->c, b->c) && a->ta == b->ta && a->tb == b->tb &&
	       a->alpha == b->alpha && a->beta == b->beta && a->bias == b->bias && a->act == b->act;
}

/* bytes of both factors of a job in bf16 */
static int64_t
narrow_bytes(const struct gemm_job *j)
{
	return 2 * (j->a.rows * index_ceil(j->a.cols, 8) * 8 + j->b.rows * index_ceil(j->b.cols, 8) * 8);
}

/* the product of the first of jobs[n] and of as many behind it as go along */
static struct product
gather_batch(const struct gemm_job *jobs, int64_t n, int tf32)
{
	const int64_t room = index_min(BATCH, 1 + NARROW_BYTES / (1 + narrow_bytes(jobs)));
	int64_t da = 0, db = 0, dc = 0;
	struct product p;

	memset(&p, 0, sizeof(p));
	p.d = jobs->c;
	p.a = jobs->a;
	p.b = jobs->b;
	p.ta = jobs->ta;
	p.tb = jobs->tb;
	p.alpha = jobs->alpha;
	p.beta = jobs->beta;
	p.act = ACT_NONE;
	p.tf32 = tf32;
	for (p.count = 1; p.count < index_min(n, room) && alike(jobs, &jobs[p.count]); p.count++) {
		const struct gemm_job *last = &jobs[p.count - 1], *next = &jobs[p.count];
		int even = 1;

		da = distance(last->a, next->a, &even);
		db = distance(last->b, next->b, &even);
		dc = distance(last->c, next->c, &even);
		if (!even || da < 0 || db < 0 || dc <= 0 || (p.count > 1 && (da != p.sa || db != p.sb || dc != p.sd)))
			break;
		p.sa = da;
		p.sb = db;
		p.sd = dc;
	}
	return p;
}

/* m, of count matrices stride apart, in bf16 at *p, which moves on */
static int
narrow(struct cuda_state *s, struct mat *m, int64_t *stride, int64_t count, char **p, struct adds_error *err)
{
	struct mat y = mat_of(*p, DT_BF16, m->rows, m->cols);
	const int64_t each_one = *stride ? count : 1;

	y.ld = index_ceil(m->cols, 8) * 8;
	TRY(convert_many(s, y, m->rows * y.ld, *m, *stride, each_one, err));
	*p += 2 * each_one * m->rows * y.ld;
	*stride = *stride ? m->rows * y.ld : 0;
	*m = y;
	return 0;
}

static int
round_factors(struct cuda_state *s, struct product *p, struct adds_error *err)
{
	const struct gemm_job j = { p->d, p->a, p->b, 0, 0, 0, 0, NULL, ACT_NONE };
	void *room;
	char *next;

	TRY(cuda_scratch(s, &room, (size_t)(p->count * narrow_bytes(&j)), err));
	next = (char *)room;
	TRY(narrow(s, &p->a, &p->sa, p->count, &next, err));
	return narrow(s, &p->b, &p->sb, p->count, &next, err);
}

/* matrix number i of those that are written */
static struct mat
output(const struct product *p, int64_t i)
{
	struct mat d = p->d;

	d.p = (char *)d.p + i * p->sd * (int64_t)dtype_size(d.t);
	return d;
}

/* one by one where the library has no batch of it */
static int
run_batch(struct cuda_state *s, const struct product *p, struct adds_error *err)
{
	struct product one = *p;
	int64_t i;
	int rc = library_product(s, p, err);

	if (rc == 1 && p->count == 1)
		return plain_product(s, p, err);
	one.count = 1;
	for (i = 0; rc == 1 && i < p->count; i++) {
		int did;

		one.a.p = (char *)p->a.p + i * p->sa * (int64_t)dtype_size(p->a.t);
		one.b.p = (char *)p->b.p + i * p->sb * (int64_t)dtype_size(p->b.t);
		one.d = output(p, i);
		did = library_product(s, &one, err);
		if (did == 1)
			did = plain_product(s, &one, err);
		if (did < 0)
			return did;
	}
	return rc < 0 ? rc : 0;
}

/* elements i0 … of the inner dimension, n of them */
static struct mat
inner_part(struct mat m, int across, int64_t i0, int64_t n)
{
	return across ? mat_part(m, 0, m.rows, i0, n) : mat_part(m, i0, n, 0, m.cols);
}

/* long sums of f32 by fixed blocks, added in order */
static int
run_blocks(struct cuda_state *s, const struct product *p, struct adds_error *err)
{
	const int64_t inner = product_inner(p);
	struct product part = *p;
	int64_t i;

	if (p->a.t != DT_F32 || inner <= LONG)
		return run_batch(s, p, err);
	for (i = 0; i < inner; i += SUM_ROWS) {
		part.a = inner_part(p->a, !p->ta, i, index_min(SUM_ROWS, inner - i));
		part.b = inner_part(p->b, p->tb, i, index_min(SUM_ROWS, inner - i));
		part.beta = i ? 1 : p->beta;
		TRY(run_batch(s, &part, err));
	}
	return 0;
}

/* D = act(D + bias) */
static int
finish(struct cuda_state *s, struct mat d, const float *bias, enum activation act, struct adds_error *err)
{
	return each(
		s, d.rows, d.cols, [=] __device__(int64_t r, int64_t c) {
			mat_f32(d, r, c) = activate(mat_f32(d, r, c) + (bias ? bias[c] : 0), act);
		},
		"gemm", err);
}

/* Bias and activation behind the product, not within the library's call: its algorithm for that
 * need not be the one for a batch. */
static int
run_whole(struct cuda_state *s, const struct product *p, const struct gemm_job *j, struct adds_error *err)
{
	int64_t i;

	TRY(run_blocks(s, p, err));
	for (i = 0; (j->bias || j->act != ACT_NONE) && i < p->count; i++)
		TRY(finish(s, output(p, i), j->bias, j->act, err));
	return 0;
}

static void
check(const struct gemm_job *j)
{
	assert((j->ta ? j->a.cols : j->a.rows) == j->c.rows);
	assert((j->tb ? j->b.rows : j->b.cols) == j->c.cols);
	assert((j->ta ? j->a.rows : j->a.cols) == (j->tb ? j->b.cols : j->b.rows));
	assert(j->c.t == DT_F32);
	assert(j->beta == 0 || (!j->bias && j->act == ACT_NONE));
	(void)j;
}

int
cuda_gemm(struct backend *b, const struct gemm_job *jobs, int64_t n, enum precision prec, struct adds_error *err)
{
	struct cuda_state *s = cuda_enter(b);
	int64_t i;

	prec = backend_precision(b, prec);
	for (i = 0; i < n;) {
		const struct gemm_job *first = &jobs[i];
		struct product p = gather_batch(first, n - i, prec == PREC_TF32);

		check(first);
		i += p.count;
		if (!p.d.rows || !p.d.cols)
			continue;
		if (prec == PREC_BF16 && p.a.t == DT_F32 && p.b.t == DT_F32 && product_inner(&p))
			TRY(round_factors(s, &p, err));
		TRY(run_whole(s, &p, first, err));
	}
	return 0;
}
