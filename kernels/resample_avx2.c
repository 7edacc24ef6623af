/* SPDX-License-Identifier: MIT
 * resample_avx2.c - the two passes with AVX2 */
#include "resample_passes.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2")))

struct sums {
	__m256i low, high;
};

AVX2 static inline void
weigh(struct sums *s, __m256i pixels, __m256i low, __m256i high)
{
	s->low = _mm256_add_epi32(s->low, _mm256_madd_epi16(pixels, low));
	s->high = _mm256_add_epi32(s->high, _mm256_madd_epi16(pixels, high));
}

AVX2 static inline __m256i
whole(struct sums s)
{
	return _mm256_add_epi32(s.low, _mm256_slli_epi32(s.high, 16));
}

AVX2 static inline __m256i
broadcast(const void *p)
{
	return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)p));
}

/* 16 bytes each of two rows */
AVX2 static inline __m256i
two_rows(const uint8_t *a, const uint8_t *b)
{
	return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)a)),
	                               _mm_loadu_si128((const __m128i *)b), 1);
}

/* Sums of rows 0|2 and 1|3 as pairs of words, rows 0 and 1 | 2 and 3; a sum has 10 bits beside those of a weight. */
AVX2 static inline void
store_pairs(int16_t *to, size_t ldp, struct sums even, struct sums odd)
{
	const __m256i e = _mm256_srai_epi32(whole(even), RESAMPLE_BITS), o = _mm256_srai_epi32(whole(odd), RESAMPLE_BITS - 16);
	const __m256i words = _mm256_min_epi16(_mm256_max_epi16(_mm256_blend_epi16(e, o, 0xaa), _mm256_setzero_si256()),
	                                       _mm256_set1_epi16(255));

	_mm_storeu_si128((__m128i *)to, _mm256_castsi256_si128(words));
	_mm_storeu_si128((__m128i *)(to + ldp), _mm256_extracti128_si256(words, 1));
}

/* one quad of eight rows */
AVX2 static inline void
eight_rows(int16_t *to, size_t ldp, const struct resample_quad *quad, const int16_t *w,
           const uint8_t *a, size_t ldx, ptrdiff_t step)
{
	const __m256i cut = broadcast(quad->cut), start = broadcast(quad->start);
	const uint8_t *b = a + 4 * ldx;
	const int16_t *end = w + (size_t)quad->pairs * 16;
	struct sums s0 = { start, _mm256_setzero_si256() }, s1 = s0, s2 = s0, s3 = s0;

	do {
		const __m256i low = broadcast(w), high = broadcast(w + 8);

		weigh(&s0, _mm256_shuffle_epi8(two_rows(a, a + 2 * ldx), cut), low, high);
		weigh(&s1, _mm256_shuffle_epi8(two_rows(a + ldx, a + 3 * ldx), cut), low, high);
		weigh(&s2, _mm256_shuffle_epi8(two_rows(b, b + 2 * ldx), cut), low, high);
		weigh(&s3, _mm256_shuffle_epi8(two_rows(b + ldx, b + 3 * ldx), cut), low, high);
		w += 16;
		a += step;
		b += step;
	} while (w != end);
	store_pairs(to, ldp, s0, s1);
	store_pairs(to + 2 * ldp, ldp, s2, s3);
}

AVX2 static void
avx2_horizontal(const struct resampler *r, int16_t *pairs, size_t ldp, const uint8_t *x, size_t ldx, int32_t skip)
{
	const int16_t *table = r->across;
	int q, k;

	for (q = 0; q < r->quads; q++, table += (size_t)r->taps * 16) {
		const struct resample_quad *quad = &r->quad[q];
		const uint8_t *from = x + (quad->at - skip);
		int16_t *to = pairs + (size_t)q * (size_t)r->values * 2;

		for (k = 0; k < RESAMPLE_ROWS; k += 8)
			eight_rows(to + (size_t)(k / 2) * ldp, ldp, quad, table, from + (size_t)k * ldx, ldx, r->step);
	}
}

/* 32 sums to bytes, in order */
AVX2 static inline __m256i
bytes_of(struct sums a, struct sums b, struct sums c, struct sums d)
{
	const __m256i ab = _mm256_packs_epi32(_mm256_srai_epi32(whole(a), RESAMPLE_BITS),
	                                      _mm256_srai_epi32(whole(b), RESAMPLE_BITS));
	const __m256i cd = _mm256_packs_epi32(_mm256_srai_epi32(whole(c), RESAMPLE_BITS),
	                                      _mm256_srai_epi32(whole(d), RESAMPLE_BITS));

	return _mm256_permutevar8x32_epi32(_mm256_packus_epi16(ab, cd), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

AVX2 static void
avx2_vertical(const struct resampler *r, uint8_t *y, int i, const int16_t *const *pairs)
{
	const int n = r->down[i].pairs;
	const int32_t *weights = r->weigh + (size_t)i * (size_t)r->most * 2;
	const __m256i start = _mm256_set1_epi32(r->down[i].start);
	uint8_t rest[RESAMPLE_COLUMNS];
	size_t k;
	int p;

	for (k = 0; k < r->width; k += RESAMPLE_COLUMNS) {
		struct sums a = { start, _mm256_setzero_si256() }, b = a, c = a, d = a;
		__m256i bytes;

		for (p = 0; p < n; p++) {
			const __m256i *from = (const __m256i *)(pairs[p] + 2 * k);
			const __m256i low = _mm256_set1_epi32(weights[2 * p]), high = _mm256_set1_epi32(weights[2 * p + 1]);

			weigh(&a, _mm256_loadu_si256(from), low, high);
			weigh(&b, _mm256_loadu_si256(from + 1), low, high);
			weigh(&c, _mm256_loadu_si256(from + 2), low, high);
			weigh(&d, _mm256_loadu_si256(from + 3), low, high);
		}
		bytes = bytes_of(a, b, c, d);
		if (r->width - k >= RESAMPLE_COLUMNS) {
			_mm256_storeu_si256((__m256i *)(y + k), bytes);
		} else {
			_mm256_storeu_si256((__m256i *)rest, bytes);
			memcpy(y + k, rest, r->width - k);
		}
	}
}

const struct resample_passes resample_avx2 = { avx2_horizontal, avx2_vertical };
#endif
