/* SPDX-License-Identifier: MIT
 * cat_npy.c - NumPy's .npy files: read through a map, headers written */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cat.h"

static const struct {
	const char *descr;
	enum adds_dtype dtype;
} types[] = {
	/* clang-format off */
	{ "|b1", ADDS_BOOL }, { "|u1", ADDS_U8 }, { "|i1", ADDS_I8 }, { "<i2", ADDS_I16 }, { "<u2", ADDS_U16 }, { "<f2", ADDS_F16 },
	{ "<i4", ADDS_I32 }, { "<u4", ADDS_U32 }, { "<f4", ADDS_F32 }, { "<f8", ADDS_F64 }, { "<i8", ADDS_I64 }, { "<u8", ADDS_U64 },
	/* clang-format on */
};
enum { TYPES = sizeof(types) / sizeof(*types),
       PREFIX = 10,
       MAX_HEAD = 65536 };

static const char *
value_of(const char *head, const char *key, const char *path)
{
	const char *at = strstr(head, key);

	if (!at || !(at = strchr(at + strlen(key), ':')))
		die("%s: not a .npy file: its header has no %s", path, key);
	at++;
	return at + strspn(at, " ");
}

static void
read_descr(struct cat_npy *a, const char *text, const char *path)
{
	size_t i;

	for (i = 0; i < TYPES; i++)
		if ((*text == '\'' || *text == '"') && strncmp(text + 1, types[i].descr, 3) == 0 && text[4] == *text) {
			a->dtype = types[i].dtype;
			return;
		}
	die("%s: elements of the type %.*s: numbers in little-endian order are needed (numpy: x.astype('<f4'))", path,
	    (int)strcspn(text, ","), text);
}

static void
read_shape(struct cat_npy *a, const char *text, const char *path)
{
	char *end;

	if (*text++ != '(')
		die("%s: not a .npy file: its shape cannot be read", path);
	for (;;) {
		text += strspn(text, " ,");
		if (*text == ')')
			return;
		if (a->rank == ADDS_MAX_RANK)
			die("%s: more than %d dimensions", path, ADDS_MAX_RANK);
		a->shape[a->rank] = strtoll(text, &end, 10);
		if (end == text || a->shape[a->rank] < 0)
			die("%s: not a .npy file: its shape cannot be read", path);
		a->rank++;
		text = end;
	}
}

/* where the text of the header begins and ends */
static size_t
head_of(const unsigned char *p, size_t n, size_t *len, const char *path)
{
	size_t at = p[6] == 1 ? PREFIX : PREFIX + 2;

	if (n < PREFIX + 2 || memcmp(p, "\x93NUMPY", 6) != 0 || p[6] < 1 || p[6] > 3)
		die("%s: not a .npy file", path);
	*len = p[8] | (size_t)p[9] << 8;
	if (p[6] > 1)
		*len |= (size_t)p[10] << 16 | (size_t)p[11] << 24;
	if (*len > n - at || *len > MAX_HEAD)
		die("%s: a .npy file that ends inside its header", path);
	return at;
}

static void
check_size(struct cat_npy *a, size_t there, const char *path)
{
	size_t size = adds_dtype_size(a->dtype);
	int i;

	for (i = 1; i < a->rank; i++)
		if (adds_mul_size(size, (size_t)a->shape[i], &size) < 0)
			die("%s: a shape beyond the address space", path);
	a->row = size;
	if (a->rank < 1)
		die("%s: a single number, and no array", path);
	if (adds_mul_size(size, (size_t)a->shape[0], &size) < 0)
		die("%s: a shape beyond the address space", path);
	if (size != there)
		die("%s: %zu bytes of numbers, but its shape needs %zu", path, there, size);
}

void
cat_npy_open(struct cat_npy *a, const char *path)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	const unsigned char *p;
	char head[MAX_HEAD + 1];
	size_t at, len;

	memset(a, 0, sizeof(*a));
	if (fd < 0 || fstat(fd, &st) < 0)
		cat_need(adds_fail_errno(&cat_err, "cannot open '%s'", path));
	if (!S_ISREG(st.st_mode) || st.st_size < PREFIX + 2)
		die("%s: not a .npy file", path);
	a->mapped = (size_t)st.st_size;
	if ((a->map = mmap(NULL, a->mapped, PROT_READ, MAP_PRIVATE, fd, 0)) == MAP_FAILED)
		die("%s: cannot be mapped into memory", path);
	close(fd);
	p = a->map;
	at = head_of(p, a->mapped, &len, path);
	memcpy(head, p + at, len);
	head[len] = '\0';
	if (strncmp(value_of(head, "fortran_order", path), "False", 5) != 0)
		die("%s: in Fortran order: save numpy.ascontiguousarray(x) instead", path);
	read_descr(a, value_of(head, "descr", path), path);
	read_shape(a, value_of(head, "shape", path), path);
	a->data = p + at + len;
	check_size(a, a->mapped - at - len, path);
}

void
cat_npy_close(struct cat_npy *a)
{
	if (a->map)
		munmap(a->map, a->mapped);
	memset(a, 0, sizeof(*a));
}

void
cat_npy_header(char head[CAT_NPY_HEADER], enum adds_dtype dtype, int rank, const int64_t *shape, const char *path)
{
	char text[CAT_NPY_HEADER - PREFIX], dims[CAT_NPY_HEADER - PREFIX - 64];
	size_t i;
	int k, n = 0;

	for (i = 0; i < TYPES && types[i].dtype != dtype; i++)
		continue;
	if (i == TYPES || rank > 3)
		die("%s: %s with %d dimensions cannot go into a .npy file: --safetensors can hold it",
		    path, adds_dtype_name(dtype), rank);
	for (k = 0; k < rank; k++)
		n += snprintf(dims + n, sizeof(dims) - (size_t)n, "%s%lld", k ? ", " : "", (long long)shape[k]);
	snprintf(text, sizeof(text), "{'descr': '%s', 'fortran_order': False, 'shape': (%s%s), }", types[i].descr, dims,
	         rank == 1 ? "," : "");
	memcpy(head, "\x93NUMPY\x01\x00", 8);
	head[8] = CAT_NPY_HEADER - PREFIX;
	head[9] = 0;
	memset(head + PREFIX, ' ', CAT_NPY_HEADER - PREFIX - 1);
	memcpy(head + PREFIX, text, strlen(text));
	head[CAT_NPY_HEADER - 1] = '\n';
}

double
cat_npy_number(const struct cat_npy *a, size_t i)
{
	const unsigned char *p = a->data + i * adds_dtype_size(a->dtype);
	union {
		int16_t i16;
		uint16_t u16;
		int32_t i32;
		uint32_t u32;
		int64_t i64;
		uint64_t u64;
		float f32;
		double f64;
	} x;

	memcpy(&x, p, adds_dtype_size(a->dtype));
	switch (a->dtype) {
	case ADDS_BOOL:
	case ADDS_U8:
		return *p;
	case ADDS_I8:
		return (int8_t)*p;
	case ADDS_I16:
		return x.i16;
	case ADDS_U16:
		return x.u16;
	case ADDS_I32:
		return x.i32;
	case ADDS_U32:
		return x.u32;
	case ADDS_I64:
		return (double)x.i64;
	case ADDS_U64:
		return (double)x.u64;
	case ADDS_F16:
		adds_f16_to_f32(&x.f32, &x.u16, 1);
		return (double)x.f32;
	case ADDS_F32:
		return (double)x.f32;
	default:
		return x.f64;
	}
}
