/* SPDX-License-Identifier: MIT
 * resample_avx2.c - the two passes with AVX2: a weight is 65,536·high + low with
 * both halves in 16 bits, so that the multiply-add of pairs computes the exact
 * 32-bit sum (modulo 2^32) of the plain loop */
#include "resample.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2")))

enum { BITS = 22 };

struct sums {
	__m256i low, high;
};

/* adds four taps: the two 128-bit halves of pixels are two rows */
AVX2 static inline struct sums
four_taps(struct sums s, __m256i pixels, __m256i pair01, __m256i pair23, const int32_t *w)
{
	const __m256i p01 = _mm256_shuffle_epi8(pixels, pair01), p23 = _mm256_shuffle_epi8(pixels, pair23);

	s.low = _mm256_add_epi32(s.low, _mm256_madd_epi16(p01, _mm256_set1_epi32(w[0])));
	s.low = _mm256_add_epi32(s.low, _mm256_madd_epi16(p23, _mm256_set1_epi32(w[1])));
	s.high = _mm256_add_epi32(s.high, _mm256_madd_epi16(p01, _mm256_set1_epi32(w[2])));
	s.high = _mm256_add_epi32(s.high, _mm256_madd_epi16(p23, _mm256_set1_epi32(w[3])));
	return s;
}

/* adds two taps, the last ones of an odd number of pairs */
AVX2 static inline struct sums
last_taps(struct sums s, __m256i pixels, __m256i pair01, const int32_t *w)
{
	const __m256i p01 = _mm256_shuffle_epi8(pixels, pair01);

	s.low = _mm256_add_epi32(s.low, _mm256_madd_epi16(p01, _mm256_set1_epi32(w[0])));
	s.high = _mm256_add_epi32(s.high, _mm256_madd_epi16(p01, _mm256_set1_epi32(w[2])));
	return s;
}

AVX2 static inline __m256i
two_rows(const uint8_t *a, const uint8_t *b)
{
	return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)a)),
	                               _mm_loadu_si128((const __m128i *)b), 1);
}

AVX2 static inline __m256i
finish(struct sums s)
{
	return _mm256_srai_epi32(_mm256_add_epi32(s.low, _mm256_slli_epi32(s.high, 16)), BITS);
}

/* always four bytes: the next pixel covers the rest, and there is room behind the last */
AVX2 static inline void
store_pixel(uint8_t *y, __m128i bytes)
{
	const int32_t v = _mm_cvtsi128_si32(bytes);

	memcpy(y, &v, sizeof(v));
}

/* four rows at once, 3 or 4 channels */
AVX2 static inline void
horizontal4(uint8_t *const *y, const uint8_t *const *x, int channels, const struct resample_axis *h)
{
	const struct resample_plan *p = &h->plan;
	const __m256i pair01 = _mm256_broadcastsi128_si256(
		channels == 3 ? _mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1)
			      : _mm_setr_epi8(0, -1, 4, -1, 1, -1, 5, -1, 2, -1, 6, -1, 3, -1, 7, -1));
	const __m256i pair23 = _mm256_broadcastsi128_si256(
		channels == 3 ? _mm_setr_epi8(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1)
			      : _mm_setr_epi8(8, -1, 12, -1, 9, -1, 13, -1, 10, -1, 14, -1, 11, -1, 15, -1));
	int i, g;

	for (i = 0; i < p->count; i++) {
		const int groups = h->pairs[i] / 2;
		const int32_t *w = h->packed + (size_t)i * (size_t)h->groups * 4;
		size_t o = (size_t)p->lo[i] * (size_t)channels;
		const __m256i start = _mm256_set1_epi32((1 << (BITS - 1)) + h->bias[i]);
		struct sums a = { start, _mm256_setzero_si256() }, b = a;
		__m256i bytes;

		for (g = 0; g < groups; g++, w += 4, o += 4 * (size_t)channels) {
			a = four_taps(a, two_rows(x[0] + o, x[1] + o), pair01, pair23, w);
			b = four_taps(b, two_rows(x[2] + o, x[3] + o), pair01, pair23, w);
		}
		if (h->pairs[i] % 2) {
			a = last_taps(a, two_rows(x[0] + o, x[1] + o), pair01, w);
			b = last_taps(b, two_rows(x[2] + o, x[3] + o), pair01, w);
		}
		bytes = _mm256_packs_epi32(finish(a), finish(b)); /* rows 0 2 | 1 3 */
		bytes = _mm256_packus_epi16(bytes, bytes);
		store_pixel(y[0] + i * channels, _mm256_castsi256_si128(bytes));
		store_pixel(y[1] + i * channels, _mm256_extracti128_si256(bytes, 1));
		store_pixel(y[2] + i * channels, _mm_srli_si128(_mm256_castsi256_si128(bytes), 4));
		store_pixel(y[3] + i * channels, _mm_srli_si128(_mm256_extracti128_si256(bytes, 1), 4));
	}
}

AVX2 static void
avx2_horizontal(uint8_t *const *y, const uint8_t *const *x, int rows, int channels, const struct resample_axis *h)
{
	uint8_t *to[4];
	const uint8_t *from[4];
	int r;

	for (r = 0; r < 4; r++) {
		to[r] = y[r < rows ? r : rows - 1];
		from[r] = x[r < rows ? r : rows - 1];
	}
	if (channels == 3)
		horizontal4(to, from, 3, h);
	else
		horizontal4(to, from, 4, h);
}

/* 16 columns of two rows, as pairs: columns 0-7 and 8-15 */
AVX2 static inline void
pairs(__m256i *left, __m256i *right, const uint8_t *a, const uint8_t *b)
{
	const __m128i ra = _mm_loadu_si128((const __m128i *)a), rb = _mm_loadu_si128((const __m128i *)b);

	*left = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(ra, rb));
	*right = _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(ra, rb));
}

AVX2 static inline struct sums
two_taps(struct sums s, __m256i pixels, int32_t low, int32_t high)
{
	s.low = _mm256_add_epi32(s.low, _mm256_madd_epi16(pixels, _mm256_set1_epi32(low)));
	s.high = _mm256_add_epi32(s.high, _mm256_madd_epi16(pixels, _mm256_set1_epi32(high)));
	return s;
}

AVX2 static void
avx2_vertical(uint8_t *y, const uint8_t *const *x, size_t width, const struct resample_axis *v, int i)
{
	const int n = v->plan.n[i];
	const int32_t *weights = v->packed + (size_t)i * (size_t)v->groups * 4;
	const __m256i start = _mm256_set1_epi32((1 << (BITS - 1)) + v->bias[i]);
	uint8_t rest[16];
	size_t k;
	int j;

	for (k = 0; k < width; k += 16) {
		struct sums a = { start, _mm256_setzero_si256() }, b = a;
		__m256i left, right, words;
		__m128i bytes;

		for (j = 0; j < n; j += 2) {
			const int32_t *w = weights + (j / 4) * 4 + (j / 2) % 2;

			pairs(&left, &right, x[j] + k, x[j + 1 < n ? j + 1 : j] + k);
			a = two_taps(a, left, w[0], w[2]);
			b = two_taps(b, right, w[0], w[2]);
		}
		words = _mm256_permute4x64_epi64(_mm256_packs_epi32(finish(a), finish(b)), 0xd8);
		bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
		if (width - k >= 16) {
			_mm_storeu_si128((__m128i *)(y + k), bytes);
		} else {
			_mm_storeu_si128((__m128i *)rest, bytes);
			memcpy(y + k, rest, width - k);
		}
	}
}

const struct resample_passes resample_avx2 = { avx2_horizontal, avx2_vertical };
#endif
