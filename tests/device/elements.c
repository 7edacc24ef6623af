/* SPDX-License-Identifier: MIT
 * elements.c - memory, arithmetic element by element, dropout */
#include "../../kernels/philox.h"
#include "suite.h"

enum op {
	AXPBY,
	AXPBY_NEW,
	MUL,
	EXP,
	ADD_ROW,
	ADD_COL,
	SCALE_ROW,
	FILL,
	COPY,
	OPS,
};

static const char *const op_name[OPS] = { "axpby", "axpby beta 0", "mul",
	                                  "exp_affine", "add_row", "add_col",
	                                  "scale_row", "fill", "copy" };

static double
op_want(enum op op, double x, double y, double z, double row, double col)
{
	switch (op) {
	case AXPBY:
		return 1.5 * x - 0.25 * y;
	case AXPBY_NEW:
		return 1.5 * x;
	case MUL:
		return x * z;
	case EXP:
		return exp(2 * x - 1);
	case ADD_ROW:
		return y + 0.75 * row;
	case ADD_COL:
		return y + 0.75 * col;
	case SCALE_ROW:
		return y * col;
	case FILL:
		return 3.25;
	default:
		return x;
	}
}

static int
op_run(enum op op, struct mat y, struct mat x, struct mat z, const float *row, const float *col)
{
	switch (op) {
	case AXPBY:
		return dev->ops->axpby(dev, y, 1.5f, x, -0.25f, &fault);
	case AXPBY_NEW:
		return dev->ops->axpby(dev, y, 1.5f, x, 0, &fault);
	case MUL:
		return dev->ops->mul(dev, y, x, z, &fault);
	case EXP:
		return dev->ops->exp_affine(dev, y, x, 2, -1, &fault);
	case ADD_ROW:
		return dev->ops->add_row(dev, y, 0.75f, row, &fault);
	case ADD_COL:
		return dev->ops->add_col(dev, y, 0.75f, col, &fault);
	case SCALE_ROW:
		return dev->ops->scale_row(dev, y, col, &fault);
	case FILL:
		return dev->ops->fill(dev, y, 3.25f, &fault);
	default:
		return dev->ops->copy(dev, y, x, &fault);
	}
}

/* error seen: 2e-7 */
static void
op_case(enum op op, int64_t rows, int64_t cols)
{
	float *x, *y, *z, *row, *col;
	struct mat my, mx, mz;
	double *want;
	int64_t i;

	begin(op_name[op], "%lldx%lld", (long long)rows, (long long)cols);
	x = uniform(rows * cols, -3, 3);
	y = uniform(rows * cols, -3, 3);
	z = uniform(rows * cols, -3, 3);
	row = uniform(cols, -3, 3);
	col = uniform(rows, -3, 3);
	mx = up(x, rows, cols, DT_F32);
	mz = up(z, rows, cols, DT_F32);
	my = up(y, rows, cols, DT_F32);
	if (op == MUL || op == EXP) /* may be the same */
		my = mx;
	done(op_run(op, my, mx, mz, up_bytes(row, (size_t)cols * sizeof(*row)), up_bytes(col, (size_t)rows * sizeof(*col))));
	want = room((size_t)(rows * cols) * sizeof(*want));
	for (i = 0; i < rows * cols; i++)
		want[i] = op_want(op, (double)x[i], (double)y[i], (double)z[i], (double)row[i % cols], (double)col[i / cols]);
	near_("y", down(my), want, rows * cols, op == EXP ? 1.5e-6 : 3e-7, 1e-6);
	end();
}

/* ---- activations ---- */

struct activation_case {
	enum activation a;
	int64_t n;
	double *x, *weight;
};

static double
activate(double x, enum activation a)
{
	switch (a) {
	case ACT_RELU:
		return x > 0 ? x : 0;
	case ACT_GELU:
		return 0.5 * x * erfc(-x / sqrt(2));
	case ACT_QUICK_GELU:
		return x / (1 + exp(-1.702 * x));
	case ACT_GELU_TANH:
		return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
	default:
		return x;
	}
}

static double
activated(void *arg)
{
	const struct activation_case *c = arg;
	double sum = 0;
	int64_t i;

	for (i = 0; i < c->n; i++)
		sum += c->weight[i] * activate(c->x[i], c->a);
	return sum;
}

/* error seen: 3e-7 of values up to 12 */
static void
act_case(enum activation a, int64_t rows, int64_t cols, int in_place)
{
	const int64_t n = rows * cols;
	struct activation_case c = { a, n, NULL, NULL };
	struct mat mx, my, mdy, mdx;
	double *want;
	float *x, *dy;
	int64_t i;

	begin("act", "%d %lldx%lld%s", (int)a, (long long)rows, (long long)cols, in_place ? " in place" : "");
	x = uniform(n, -6, 6);
	if (n > 4) {
		x[0] = 90;
		x[1] = -90;
		x[2] = 0.125f;
		x[3] = -14;
	}
	dy = uniform(n, -1, 1);
	c.x = doubles(x, n);
	c.weight = doubles(dy, n);
	want = room((size_t)n * sizeof(*want));
	for (i = 0; i < n; i++)
		want[i] = activate(c.x[i], a);
	mx = up(x, rows, cols, DT_F32);
	mdy = up(dy, rows, cols, DT_F32);
	mdx = in_place ? mdy : blank(rows, cols, DT_F32);
	done(dev->ops->act_backward(dev, mdx, mx, mdy, a, &fault));
	slope("dx", down(mdx), c.x, n, activated, &c, 1e-5, 2e-6);
	my = in_place ? mx : blank(rows, cols, DT_F32);
	done(dev->ops->act(dev, my, mx, a, &fault));
	near_("y", down(my), want, n, 1e-6, 5e-7);
	end();
}

static void
dropout_case(int64_t rows, int64_t cols, float p)
{
	float *x;
	double *want;
	struct mat mx, my;
	int64_t i;

	begin("dropout", "%lldx%lld p %g", (long long)rows, (long long)cols, (double)p);
	x = uniform(rows * cols, -3, 3);
	want = doubles(x, rows * cols);
	for (i = 0; i < rows * cols; i++)
		want[i] *= philox_kept(philox_word(99, 12345678901u + (uint64_t)i), p) ? 1 / (1 - (double)p) : 0;
	mx = up(x, rows, cols, DT_F32);
	my = rows & 1 ? mx : blank(rows, cols, DT_F32);
	done(dev->ops->dropout(dev, my, mx, p, 99, 12345678901u, &fault));
	near_("y", down(my), want, rows * cols, 1e-6, 0);
	end();
}

/* the generator itself: known answers of the authors' test vectors */
static void
philox_case(void)
{
	uint32_t w[4];
	const uint32_t zero[4] = { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 };
	const uint32_t ones[4] = { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd };

	begin("philox", "known answers");
	philox4x32(w, 0, 0, 0);
	same("of zeros", w, zero, sizeof(w));
	philox4x32(w, ~(uint64_t)0, ~(uint64_t)0, ~(uint64_t)0);
	same("of ones", w, ones, sizeof(w));
	end();
}

static void
copy_bytes(void)
{
	int32_t x[6] = { 1, -2, 3, -4, 5, -6 }, got[6];
	void *a, *c;

	begin("copy", "of integers");
	a = up_bytes(x, sizeof(x));
	c = up_bytes(NULL, sizeof(x));
	done(dev->ops->copy(dev, mat_of(c, DT_I32, 2, 3), mat_of(a, DT_I32, 2, 3), &fault));
	done(dev->ops->sync(dev, &fault));
	down_bytes(got, c, sizeof(got));
	same("y", got, x, sizeof(x));
	end();
}

static void
fill_types(void)
{
	static const unsigned char bytes[] = { 7, 7, 7, 7, 7 };
	static const int32_t numbers[] = { 7, 7, 7, 7, 7 };
	static const double wide[] = { 7, 7, 7, 7, 7 };
	static const uint16_t bf16[] = { 0x40e0, 0x40e0, 0x40e0, 0x40e0, 0x40e0 },
			      f16[] = { 0x4700, 0x4700, 0x4700, 0x4700, 0x4700 };
	static const struct {
		enum dtype t;
		const void *want;
	} list[] = { { DT_U8, bytes }, { DT_I8, bytes }, { DT_I32, numbers }, { DT_F64, wide }, { DT_BF16, bf16 }, { DT_F16, f16 } };
	unsigned char got[64];
	size_t i, size;
	void *y;

	for (i = 0; i < sizeof(list) / sizeof(*list); i++) {
		begin("fill", "type %d", (int)list[i].t);
		size = 5 * dtype_size(list[i].t);
		y = up_bytes(NULL, size);
		done(dev->ops->fill(dev, mat_of(y, list[i].t, 1, 5), 7, &fault));
		down_bytes(got, y, size);
		same("y", got, list[i].want, size);
		end();
	}
}

void
test_elements(void)
{
	int i, j, k;

	for (i = 0; i < SIZES; i++)
		for (j = 0; j < SIZES; j++) {
			if (size_list[i] * size_list[j] > 33 * 1000)
				continue;
			for (k = 0; k < OPS; k++)
				op_case((enum op)k, size_list[i], size_list[j]);
			for (k = ACT_NONE; k <= ACT_GELU_TANH; k++)
				act_case((enum activation)k, size_list[i], size_list[j], (i + j) & 1);
			dropout_case(size_list[i], size_list[j], j & 1 ? 0.1f : 0.5f);
		}
	dropout_case(5, 7, 0);
	philox_case();
	copy_bytes();
	fill_types();
}
