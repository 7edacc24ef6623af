/* SPDX-License-Identifier: MIT
 * picture_bytes.c - a picture's record straight to its canonical bytes: an index
 * of many files writes nothing else */
#include <string.h>

#include "record.h"

static unsigned char *
put(unsigned char *p, const char *text, size_t n)
{
	memcpy(p, text, n);
	return p + n;
}

#define PUT(p, literal) put(p, literal, sizeof(literal) - 1)

static unsigned char *
put_number(unsigned char *p, uint64_t x)
{
	char digits[20];
	size_t n = 0;

	do
		digits[sizeof(digits) - ++n] = (char)('0' + x % 10);
	while (x /= 10);
	return put(p, digits + sizeof(digits) - n, n);
}

static unsigned char *
put_signed(unsigned char *p, int64_t x)
{
	if (x < 0)
		*p++ = '-';
	return put_number(p, x < 0 ? 0 - (uint64_t)x : (uint64_t)x);
}

/* ,"NAME":{"data_offsets":[begin,end],"dtype":"I32","shape":[n]} */
static unsigned char *
put_tensor(unsigned char *p, const char *name, size_t name_len, size_t begin, size_t n, size_t size)
{
	p = put(p, name, name_len);
	p = PUT(p, "{\"data_offsets\":[");
	p = put_number(p, begin);
	*p++ = ',';
	p = put_number(p, begin + n * size);
	p = size == 1 ? PUT(p, "],\"dtype\":\"U8\",\"shape\":[") : PUT(p, "],\"dtype\":\"I32\",\"shape\":[");
	p = put_number(p, n);
	return PUT(p, "]}");
}

/* the JSON header, from its brace to its padding */
static unsigned char *
put_head(unsigned char *p, const struct adds_picture_fields *f)
{
	const size_t neg = f->neg ? f->nneg : 0, pos = f->pos ? f->npos : 0;
	unsigned char *const start = p;

	p = PUT(p, "{\"__metadata__\":{\"adds\":\"{\\\"bytes\\\":\\\"");
	p = put_signed(p, f->bytes);
	p = PUT(p, "\\\",\\\"mtime\\\":\\\"");
	p = put_signed(p, f->mtime);
	p = PUT(p, "\\\",\\\"record\\\":\\\"picture\\\"}\"}");
	if (f->neg)
		p = put_tensor(p, ",\"neg\":", 7, 0, neg, 4);
	p = put_tensor(p, ",\"path\":", 8, 4 * (neg + pos), f->path_len, 1);
	if (f->pos)
		p = put_tensor(p, ",\"pos\":", 7, 4 * neg, pos, 4);
	*p++ = '}';
	while ((p - start) % 8)
		*p++ = ' ';
	return p;
}

static unsigned char *
put_rows(unsigned char *p, const int32_t *row, size_t n)
{
	size_t i;

	for (i = 0; row && i < n; i++) {
		const uint32_t x = (uint32_t)row[i];

		*p++ = (unsigned char)x;
		*p++ = (unsigned char)(x >> 8);
		*p++ = (unsigned char)(x >> 16);
		*p++ = (unsigned char)(x >> 24);
	}
	return p;
}

size_t
adds_picture_bytes(unsigned char *out, const struct adds_picture_fields *f)
{
	unsigned char *p = put_head(out + 8, f);
	const uint64_t head = (uint64_t)(p - out) - 8;
	int i;

	for (i = 0; i < 8; i++)
		out[i] = (unsigned char)(head >> 8 * i);
	p = put_rows(p, f->neg, f->nneg);
	p = put_rows(p, f->pos, f->npos);
	p = put(p, f->path, f->path_len);
	return (size_t)(p - out);
}
