/* SPDX-License-Identifier: MIT
 *
 * threads.c - the promise about bits: a row's result depends neither on the
 * number of threads nor on what else stands in the batch.
 */
#include "suite.h"

enum {
	TILES = 32,
	T = 50, /* rows of a tile */
	D = 96,
	F = 200,
};

struct inputs {
	float *x, *w, *bias;
	struct mat mx;
	struct packed *packed;
	float *dbias;
};

static struct segs
tiles(int64_t n, int64_t length)
{
	int64_t *at = room((size_t)(n + 1) * sizeof(*at)), i;

	for (i = 0; i < n; i++)
		at[i + 1] = at[i] + length;
	return (struct segs){ n, at };
}

/* linear, attention and LayerNorm of tiles first … first+n-1 → host [n·T, D] and [n·T, F] */
static void
forward(const struct inputs *in, int64_t first, int64_t n, float **attended, float **product)
{
	const struct segs s = tiles(n, T);
	struct mat x = mat_part(in->mx, first * T, n * T, 0, D);
	struct mat y = blank(n * T, D, DT_F32), z = blank(n * T, F, DT_F32), u = blank(n * T, D, DT_F32);

	done(dev->ops->attention(dev, y, NULL, x, x, x, 2, 0.3f, 0, s, s, &fault));
	done(dev->ops->layernorm(dev, u, none(), NULL, NULL, y, x, in->dbias, NULL, 1e-5f, &fault));
	done(dev->ops->linear(dev, z, u, in->packed, in->dbias, ACT_GELU, none(), s, &fault));
	down(y);
	*attended = down(u);
	*product = down(z);
}

static void
batches(int threads)
{
	const int before = dev->threads;
	struct inputs in;
	float *u, *z, *u1, *z1;
	int64_t first, n;

	begin("same bits", "%d threads, batch 1, 7 and 32", threads);
	in.x = uniform(TILES * T * D, -1, 1);
	in.w = uniform(F * D, -1, 1);
	in.bias = uniform(F, 0.5, 1.5);
	in.mx = up(in.x, TILES * T, D, DT_F32);
	in.dbias = up_bytes(in.bias, F * sizeof(float));
	done(dev->ops->pack(dev, &in.packed, in.w, DT_F32, F, D, 0, PREC_F32, &fault));
	dev->threads = 1;
	forward(&in, 0, TILES, &u, &z);
	dev->threads = threads;
	for (n = 1; n <= TILES; n = n == 1 ? 7 : n == 7 ? 32
	                                                : 33)
		for (first = 0; first + n <= TILES; first += n + 5) {
			forward(&in, first, n, &u1, &z1);
			same("attention and LayerNorm", u1, u + first * T * D, (size_t)(n * T * D) * sizeof(*u));
			same("linear", z1, z + first * T * F, (size_t)(n * T * F) * sizeof(*z));
		}
	dev->threads = before;
	dev->ops->unpack(dev, in.packed);
	end();
}

/* a product by itself, among others of its shape, and in front of one that has another */
static void
company(enum precision prec)
{
	enum { N = 5,
	       ROWS = 37,
	       COLS = 24,
	       INNER = 40 };
	struct gemm_job jobs[N + 1];
	float *alone[N];
	int i;

	begin("same bits", "gemm, precision %d: jobs with company and without", (int)prec);
	for (i = 0; i <= N; i++) {
		const int64_t inner = i < N ? INNER : INNER - 3;

		jobs[i] = (struct gemm_job){ .tb = 1, .alpha = 1 };
		jobs[i].a = up(uniform(ROWS * inner, -1, 1), ROWS, inner, DT_F32);
		jobs[i].b = up(uniform(COLS * inner, -1, 1), COLS, inner, DT_F32);
		jobs[i].c = blank(ROWS, COLS, DT_F32);
	}
	for (i = 0; i < N; i++) {
		done(dev->ops->gemm(dev, &jobs[i], 1, prec, &fault));
		alone[i] = down(jobs[i].c);
	}
	done(dev->ops->gemm(dev, jobs, N + 1, prec, &fault));
	for (i = 0; i < N; i++)
		same("gemm", down(jobs[i].c), alone[i], ROWS * COLS * sizeof(float));
	down(jobs[N].c);
	end();
}

/* weight gradients, column sums and dot products with any number of threads */
static void
sums(int threads)
{
	const int before = dev->threads, rows = 3001;
	struct mat c[2], a, b;
	float *col[2], *got[2];
	double d[2] = { 0, 1 };
	int i;

	begin("same bits", "%d threads, sums of %d rows", threads, rows);
	a = up(uniform(rows * 70, -1, 1), rows, 70, DT_F32);
	b = up(uniform(rows * 90, -1, 1), rows, 90, DT_F32);
	for (i = 0; i < 2; i++) {
		struct gemm_job job = { .ta = 1, .alpha = 1 };

		dev->threads = i ? threads : 1;
		c[i] = blank(70, 90, DT_F32);
		job.c = c[i];
		job.a = a;
		job.b = b;
		done(dev->ops->gemm(dev, &job, 1, PREC_F32, &fault));
		col[i] = up_bytes(NULL, 90 * sizeof(float));
		done(dev->ops->colsum(dev, col[i], b, 0, &fault));
		done(dev->ops->dot(dev, &d[i], b, b, &fault));
		got[i] = room(90 * sizeof(float));
		down_bytes(got[i], col[i], 90 * sizeof(float));
	}
	dev->threads = before;
	same("gemm", down(c[0]), down(c[1]), 70 * 90 * sizeof(float));
	same("colsum", got[0], got[1], 90 * sizeof(float));
	same("dot", &d[0], &d[1], sizeof(d[0]));
	end();
}

void
test_threads(void)
{
	static const int list[] = { 1, 2, 3, 8 };
	size_t i;

	for (i = 0; i < sizeof(list) / sizeof(*list); i++) {
		batches(list[i]);
		sums(list[i]);
	}
	company(PREC_F32);
	company(PREC_BF16);
}
