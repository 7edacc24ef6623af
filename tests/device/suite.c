/* SPDX-License-Identifier: MIT
 * suite.c - cases, buffers with guards, comparisons */
#include <stdarg.h>
#include <stdio.h>

#include "../../kernels/philox.h"
#include "suite.h"

enum {
	GUARD = 256, /* bytes in front and behind */
	PAD = 3,     /* elements between the rows of a matrix, unless a case says otherwise */
	MOST = 256,  /* buffers of one case */
};

struct buffer {
	unsigned char *image; /* what was put, guards included */
	void *device;
	struct mat m; /* as up or blank gave it */
	size_t bytes;
	int output; /* fetched by down */
};

struct backend *dev;
struct adds_error fault;
int64_t row_pad;
const int64_t size_list[SIZES] = { 0, 1, 31, 32, 33, 1000 };

static struct buffer buffers[MOST];
static void *rooms[MOST * 8];
static int buffer_count, room_count, failures;
static char title[256], complaint[512];
static uint64_t draws;

int suite_failures(void);

int
suite_failures(void)
{
	return failures;
}

#ifdef __GNUC__
__attribute__((format(printf, 1, 2)))
#endif
static void
complain(const char *fmt, ...)
{
	va_list ap;

	if (*complaint)
		return;
	va_start(ap, fmt);
	vsnprintf(complaint, sizeof(complaint), fmt, ap);
	va_end(ap);
}

void
begin(const char *operation, const char *fmt, ...)
{
	char shape[128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(shape, sizeof(shape), fmt, ap);
	va_end(ap);
	snprintf(title, sizeof(title), "%s %s %s", dev->ops->name, operation, shape);
	complaint[0] = '\0';
	draws = 0;
	row_pad = PAD;
}

void
done(int status)
{
	if (status < 0)
		complain("status %d: %s", status, fault.msg);
}

void *
room(size_t bytes)
{
	void *p = calloc(bytes + 1, 1);

	if (!p || room_count == MOST * 8)
		abort();
	return rooms[room_count++] = p;
}

float *
uniform(int64_t n, double lo, double hi)
{
	float *x = room((size_t)n * sizeof(*x));
	int64_t i;

	for (i = 0; i < n; i++)
		x[i] = (float)(lo + (hi - lo) * (double)philox_uniform(philox_word(7, draws++)));
	return x;
}

int64_t
below(int64_t n)
{
	return (int64_t)((double)philox_uniform(philox_word(7, draws++)) * (double)n);
}

double *
doubles(const float *x, int64_t n)
{
	double *d = room((size_t)n * sizeof(*d));
	int64_t i;

	for (i = 0; i < n; i++)
		d[i] = (double)x[i];
	return d;
}

/* ---- numbers of narrow types, by the book ---- */

static double
narrow_to_double(uint16_t h, enum dtype t)
{
	const int bits = t == DT_BF16 ? 7 : 10, bias = t == DT_BF16 ? 127 : 15, top = t == DT_BF16 ? 255 : 31;
	const int e = h >> bits & top, f = h & ((1 << bits) - 1);
	double v = e == top ? (f ? NAN : INFINITY) : e ? ldexp(1 + ldexp(f, -bits), e - bias)
	                                               : ldexp(f, 1 - bias - bits);

	return h & 0x8000 ? -v : v;
}

/* by search: the nearest, of two equally near the even one */
static uint16_t
double_to_narrow(double v, enum dtype t)
{
	const uint16_t sign = signbit(v) ? 0x8000 : 0, top = t == DT_BF16 ? 0x7f80 : 0x7c00;
	uint16_t lo = 0, hi = top;

	v = fabs(v);
	while (lo < hi) { /* the largest that is not above v */
		const uint16_t mid = (uint16_t)((lo + hi + 1) / 2);

		if (narrow_to_double(mid, t) <= v)
			lo = mid;
		else
			hi = (uint16_t)(mid - 1);
	}
	if (lo < top) {
		const double next = lo + 1 == top ? 2 * narrow_to_double((uint16_t)(top - 1), t) -
		                                            narrow_to_double((uint16_t)(top - 2), t)
		                                  : narrow_to_double((uint16_t)(lo + 1), t);
		const double under = v - narrow_to_double(lo, t), over = next - v;

		if (over < under || (over == under && (lo & 1)))
			lo++;
	}
	return sign | lo;
}

static void
encode(void *p, enum dtype t, float *x)
{
	uint16_t h;

	if (t == DT_F32) {
		memcpy(p, x, sizeof(*x));
		return;
	}
	h = double_to_narrow((double)*x, t);
	memcpy(p, &h, sizeof(h));
	*x = (float)narrow_to_double(h, t);
}

static float
decode(const void *p, enum dtype t)
{
	uint16_t h;
	float x;

	if (t == DT_F32) {
		memcpy(&x, p, sizeof(x));
		return x;
	}
	memcpy(&h, p, sizeof(h));
	return (float)narrow_to_double(h, t);
}

/* ---- buffers ---- */

static struct buffer *
buffer_new(size_t bytes)
{
	struct buffer *b = &buffers[buffer_count];
	size_t i;

	if (buffer_count++ == MOST)
		abort();
	memset(b, 0, sizeof(*b));
	b->bytes = bytes + 2 * GUARD;
	b->image = room(b->bytes);
	for (i = 0; i < b->bytes; i++)
		b->image[i] = (unsigned char)(0xa5 ^ (i * 7));
	done(dev->ops->alloc(dev, &b->device, b->bytes, &fault));
	return b;
}

static void
buffer_put(struct buffer *b)
{
	done(dev->ops->put(dev, b->device, b->image, b->bytes, &fault));
}

static unsigned char *
element(const struct buffer *b, unsigned char *image, int64_t r, int64_t c)
{
	return image + GUARD + (size_t)(r * b->m.ld + c) * dtype_size(b->m.t);
}

static struct buffer *
matrix_new(int64_t rows, int64_t cols, enum dtype t)
{
	struct buffer *b = buffer_new((size_t)(rows * (cols + row_pad)) * dtype_size(t));

	b->m = mat_of((char *)b->device + GUARD, t, rows, cols);
	b->m.ld = cols + row_pad;
	return b;
}

struct mat
up(float *h, int64_t rows, int64_t cols, enum dtype t)
{
	struct buffer *b = matrix_new(rows, cols, t);
	int64_t r, c;

	for (r = 0; r < rows; r++)
		for (c = 0; c < cols; c++)
			encode(element(b, b->image, r, c), t, &h[r * cols + c]);
	buffer_put(b);
	return b->m;
}

struct mat
blank(int64_t rows, int64_t cols, enum dtype t)
{
	struct buffer *b = matrix_new(rows, cols, t);

	buffer_put(b);
	return b->m;
}

struct mat
none(void)
{
	return mat_of(NULL, DT_F32, 0, 0);
}

void *
up_bytes(const void *h, size_t bytes)
{
	struct buffer *b = buffer_new(bytes);

	b->m = mat_of((char *)b->device + GUARD, DT_U8, 1, (int64_t)bytes);
	if (h)
		memcpy(b->image + GUARD, h, bytes);
	buffer_put(b);
	return b->m.p;
}

static struct buffer *
buffer_of(const void *p)
{
	int i;

	for (i = 0; i < buffer_count; i++)
		if (buffers[i].m.p == p)
			return &buffers[i];
	abort();
}

/* the bytes now, whose guards must be those of the image */
static unsigned char *
buffer_get(struct buffer *b)
{
	unsigned char *now = room(b->bytes), *merged = room(b->bytes);
	const size_t row = (size_t)b->m.cols * dtype_size(b->m.t);
	int64_t r;

	b->output = 1;
	done(dev->ops->get(dev, now, b->device, b->bytes, &fault));
	memcpy(merged, now, b->bytes);
	for (r = 0; row && r < b->m.rows; r++)
		memcpy(element(b, merged, r, 0), element(b, b->image, r, 0), row);
	if (memcmp(merged, b->image, b->bytes) != 0)
		complain("wrote outside of its output");
	return now;
}

float *
down(struct mat m)
{
	struct buffer *b = buffer_of(m.p);
	unsigned char *now = buffer_get(b);
	float *h = room((size_t)(m.rows * m.cols) * sizeof(*h));
	int64_t r, c;

	for (r = 0; r < m.rows; r++)
		for (c = 0; c < m.cols; c++)
			h[r * m.cols + c] = decode(element(b, now, r, c), m.t);
	return h;
}

void
down_bytes(void *h, const void *device, size_t bytes)
{
	struct buffer *b = buffer_of(device);

	memcpy(h, buffer_get(b) + GUARD, bytes);
}

void
forget_buffers(void)
{
	int i;

	for (i = 0; i < buffer_count; i++)
		buffer_get(&buffers[i]);
}

static void
check_input(struct buffer *b)
{
	unsigned char *now = room(b->bytes);

	done(dev->ops->get(dev, now, b->device, b->bytes, &fault));
	if (memcmp(now, b->image, b->bytes) != 0)
		complain("changed an input, or wrote outside of its output");
}

void
end(void)
{
	int i;

	for (i = 0; i < buffer_count; i++) {
		if (!buffers[i].output)
			check_input(&buffers[i]);
		dev->ops->release(dev, buffers[i].device);
	}
	while (room_count)
		free(rooms[--room_count]);
	buffer_count = 0;
	printf("%s - %s\n", *complaint ? "not ok" : "ok", title);
	if (*complaint)
		printf("# %s\n", complaint);
	failures += *complaint != '\0';
	fflush(stdout);
}

/* ---- comparisons ---- */

void
near_(const char *what, const float *got, const double *want, int64_t n, double rtol, double atol)
{
	double worst = 0;
	int64_t i, at = -1;

	for (i = 0; i < n; i++) {
		const double g = (double)got[i], d = fabs(g - want[i]) - (atol + rtol * fabs(want[i]));

		if (g == want[i] || d <= worst)
			continue;
		if (isnan(g) && isnan(want[i]))
			continue;
		at = i;
		worst = isnan(d) ? INFINITY : d;
	}
	if (at >= 0)
		complain("%s: element %lld is %.9g, want %.9g", what, (long long)at, (double)got[at], want[at]);
}

void
same(const char *what, const void *got, const void *want, size_t bytes)
{
	if (bytes && memcmp(got, want, bytes) != 0)
		complain("%s: other bytes", what);
}

void
slope(const char *what, const float *got, double *x, int64_t n, double (*f)(void *), void *arg, double rtol, double atol)
{
	const int64_t tries = n < 24 ? n : 24;
	int64_t t;

	for (t = 0; t < tries; t++) {
		const int64_t i = n < 24 ? t : below(n);
		const double h = 1e-5, at = x[i];
		double up_, down_, want;

		x[i] = at + h;
		up_ = f(arg);
		x[i] = at - h;
		down_ = f(arg);
		x[i] = at;
		want = (up_ - down_) / (2 * h);
		if (!(fabs((double)got[i] - want) <= atol + rtol * fabs(want)))
			complain("%s: slope at %lld is %.9g, by differences %.9g", what, (long long)i, (double)got[i], want);
	}
}
