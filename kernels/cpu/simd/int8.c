/* SPDX-License-Identifier: MIT
 * int8.c - rows to eight bits, and inner loops of products of bytes */
#include "simd.h"

#if VL == 8
#define TILE 3
#define OWN_COLUMNS
#elif VL == 16
#define TILE 12
#else
#define TILE 6
#endif

typedef vi sums;

#ifdef __AVX512VNNI__
INLINE vi
add(vi s, vu b, vu x)
{
	return (vi)_mm512_dpbusd_epi32((__m512i)s, (__m512i)x, (__m512i)b);
}
#endif

#if VL == 8 || defined(__AVX512VNNI__)
#include "tile.h"
#endif

typedef uint8_t v8 __attribute__((vector_size(VL)));

INLINE vi
max_whole(vi a, vi b)
{
#if VL == 16
	return (vi)_mm512_max_epi32((__m512i)a, (__m512i)b);
#elif VL == 8
	return (vi)_mm256_max_epi32((__m256i)a, (__m256i)b);
#else
	const vi m = a > b;

	return (m & a) | (~m & b);
#endif
}

/* The largest; NaN where one is not finite. Bits of magnitudes lie in the order of what they mean, those of infinity
 * and NaN above all others. */
static float
magnitude(const float *x, int64_t n)
{
	vi m[4] = { { 0 } };
	int32_t most = 0, t[VL];
	float y;
	int64_t i;
	int l;

	for (i = 0; i + 4 * VL <= n; i += 4 * VL)
#pragma GCC unroll 4
		for (l = 0; l < 4; l++)
			m[l] = max_whole((vi)abs_(load(x + i + l * VL)), m[l]);
	for (; i < n; i += VL)
		m[0] = max_whole((vi)abs_(i + VL <= n ? load(x + i) : load_some(x + i, n - i)), m[0]);
	m[0] = max_whole(max_whole(m[0], m[1]), max_whole(m[2], m[3]));
	memcpy(t, m, sizeof(t));
	for (l = 0; l < VL; l++)
		most = t[l] > most ? t[l] : most;
	memcpy(&y, &most, sizeof(y));
	return isfinite(y) ? y : NAN;
}

/* whole numbers in the low bytes of x·factor + 1.5·2^23 + 128: adding so much rounds */
INLINE vu
rounded(vf x, vf factor)
{
	return (vu)(x * factor + splat(12582912.0f + 128)) & 0xff;
}

/* the low bytes of four vectors */
INLINE void
store_bytes(uint8_t *y, const vu q[4])
{
#if VL == 8
	const __m256i a = _mm256_packus_epi32((__m256i)q[0], (__m256i)q[1]),
		      b = _mm256_packus_epi32((__m256i)q[2], (__m256i)q[3]);
	const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7); /* packing goes by halves */
	const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(a, b), order);

	memcpy(y, &bytes, sizeof(bytes));
#else
	int i;

	for (i = 0; i < 4; i++) {
		const v8 one = __builtin_convertvector(q[i], v8);

		memcpy(y + i * VL, &one, sizeof(one));
	}
#endif
}

float
SIMD_NAME(cpu_row_quantise)(uint8_t *y, const float *x, int64_t n)
{
	const float scale = magnitude(x, n) / 127;
	const vf factor = splat(scale > 0 ? 1 / scale : 0);
	int64_t i;
	int l;

	for (i = 0; i + 4 * VL <= n; i += 4 * VL) {
		vu q[4];

#pragma GCC unroll 4
		for (l = 0; l < 4; l++)
			q[l] = rounded(load(x + i + l * VL), factor);
		store_bytes(y + i, q);
	}
	for (; i < n; i += VL) {
		const int64_t some = min_i64(VL, n - i);
		const v8 one = __builtin_convertvector(rounded(load_some(x + i, some), factor), v8);

		memcpy(y + i, &one, (size_t)some);
	}
	return scale;
}

/* ---- products ---- */

#if VL == 8
/* Sums in 16 bits, of the products of GROUP8 words: in an order of the compiler's own they would not stay in registers. */
INLINE void
add16(vi *t, vu b, vu x, int first)
{
	const vi y = (vi)_mm256_maddubs_epi16((__m256i)x, (__m256i)b);

	if (first)
		*t = y;
	else
		__asm__("vpaddw %1, %0, %0"
		        : "+x"(*t)
		        : "x"(y));
}

INLINE vi
join16(vi s, vi t)
{
	return s + (vi)_mm256_madd_epi16((__m256i)t, _mm256_set1_epi16(1));
}

/* s += products of GROUP8 words of each row */
INLINE void
add_group(const int R, vi (*s)[2], const uint32_t *a, int64_t lda, const uint32_t *panel)
{
	vi t[TILE][2];
	int i, l;

#pragma GCC unroll 4
	for (l = 0; l < GROUP8; l++) {
		const vu b0 = load_words(panel + l * PANEL), b1 = load_words(panel + l * PANEL + VL);

#pragma GCC unroll 3
		for (i = 0; i < R; i++) {
			const vu x = splat_word(a + i * lda + l);

			add16(&t[i][0], b0, x, l == 0);
			add16(&t[i][1], b1, x, l == 0);
		}
	}
#pragma GCC unroll 3
	for (i = 0; i < R; i++) {
		s[i][0] = join16(s[i][0], t[i][0]);
		s[i][1] = join16(s[i][1], t[i][1]);
	}
}

INLINE void
add_columns(const int R, const int packed, vi (*s)[2], const uint32_t *a, int64_t lda, const uint32_t *panel, int64_t l,
            int64_t end)
{
	(void)packed; /* no such tiles are packed */
	for (; l < end; l += GROUP8)
		add_group(R, s, a + l, lda, panel + l * PANEL);
}
#endif

#if VL == 8 || defined(__AVX512VNNI__)
void
SIMD_NAME(cpu_tile_int8)(void *c, int64_t ldc, const void *a, int64_t lda, const void *panel, int64_t k, int64_t rows, int first,
                         const void *soon)
{
	tiles(0, c, ldc, a, lda, panel, k, rows, first, soon);
}
#endif
