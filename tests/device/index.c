/* SPDX-License-Identifier: MIT
 *
 * index.c - the index arithmetic of the CUDA kernels, compiled for the
 * processor: it is tested where there is no GPU too.
 */
#include "../../kernels/cuda/index.cuh"
#include "../../kernels/philox.h"
#include "suite.h"

/* fails the case where ok is 0 */
static void
expect(const char *what, int ok)
{
	const int one = 1;

	same(what, &ok, &one, sizeof(ok));
}

static void
cells(void)
{
	static const int64_t list[] = { 1, 2, 31, 1000, 0x7fffffff, 0x100000001 };
	int64_t i, n, r, c;
	size_t k;

	begin("index", "row and column of an element");
	for (k = 0; k < sizeof(list) / sizeof(*list); k++)
		for (i = 0; i < 64; i++) {
			n = i < 32 ? i : INT64_C(0xfffffff0) + i; /* on both sides of 2^32 */
			index_cell(n, list[k], &r, &c);
			expect("cell", r * list[k] + c == n && c >= 0 && c < list[k]);
		}
	end();
}

static void
segment_search(void)
{
	int64_t at[20], r, s, n;
	int round;

	begin("index", "the segment of a row, empty ones between");
	for (round = 0; round < 200; round++) {
		n = 1 + below(19);
		at[0] = 0;
		for (s = 0; s < n; s++)
			at[s + 1] = at[s] + (below(3) ? below(5) : 0);
		for (r = 0; r < at[n]; r++) {
			s = index_segment(at, n, r);
			expect("segment", s >= 0 && s < n && at[s] <= r && r < at[s + 1]);
		}
	}
	end();
}

/* every pair of a query and a key that it looks at is met by both kernels of attention */
static void
tiles_case(int causal, int64_t nq, int64_t nk)
{
	int64_t i, j;

	begin("index", "tiles of %lld queries and %lld keys, causal %d", (long long)nq, (long long)nk, causal);
	for (i = 0; i < nq; i++)
		for (j = 0; j < nk; j++) {
			const int64_t own_query = i / TILE_OWN * TILE_OWN, own_key = j / TILE_OWN * TILE_OWN;
			const int sees = index_sees(causal, i, nq, j, nk);

			expect("sees", sees == (!causal || j <= i));
			if (!sees)
				continue;
			expect("keys of the tile", j < index_keys(causal, own_query, TILE_OWN, nk));
			expect("queries of the tile", i >= index_first_query(causal, own_key));
		}
	expect("outside", !index_sees(causal, nq, nq, 0, nk) && !index_sees(causal, nq, nq, nk, nk));
	expect("tiles", index_ceil(nq, TILE_OWN) * TILE_OWN >= nq && (index_ceil(nq, TILE_OWN) - 1) * TILE_OWN < nq);
	end();
}

static void
patches(void)
{
	const int side = 12, patch = 4, g = 3;
	int64_t at[2 * 12 * 12 * 3] = { 0 }, r, c, i;
	int channel, image, y, x;

	begin("index", "the byte of a patch's element");
	for (r = 0; r < 2 * g * g; r++)
		for (c = 0; c < 3 * patch * patch; c++) {
			const int64_t byte = index_patch(r, c, side, patch, &channel);

			image = (int)(r / (g * g));
			y = (int)(r / g % g) * patch + (int)(c / patch % patch);
			x = (int)(r % g) * patch + (int)(c % patch);
			expect("byte", byte == ((image * side + y) * side + x) * 3 + channel && channel == c / (patch * patch));
			at[byte]++;
		}
	for (i = 0; i < 2 * side * side * 3; i++)
		expect("each byte once", at[i] == 1);
	end();
}

/* against sums of 64 bits, with weights that overshoot at both ends */
static void
taps(void)
{
	int32_t weight[8];
	uint8_t x[24];
	int64_t sum;
	int round, i, n;

	begin("index", "a resampled byte");
	for (round = 0; round < 2000; round++) {
		n = 1 + (int)below(8);
		sum = 1 << 21;
		for (i = 0; i < n; i++) {
			x[3 * i] = (uint8_t)(round & 1 ? below(256) : 255 * below(2));
			weight[i] = (int32_t)(below(3 << 19) - (1 << 19));
			sum += (int64_t)x[3 * i] * weight[i];
		}
		sum = sum >> 22 < 0 ? 0 : sum >> 22 > 255 ? 255
		                                          : sum >> 22;
		expect("byte", index_resample(x, 3, weight, n) == sum);
	}
	end();
}

static void
order(void)
{
	static const float list[] = { NAN, 1, 1, -INFINITY, INFINITY, 0, NAN, -0.0f, 2 };
	static const int want[] = { 4, 8, 1, 2, 5, 7, 3, 0, 6 };
	int i, j;

	begin("index", "descending order, ties by column, NaN last");
	for (i = 0; i < 9; i++)
		for (j = 0; j < 9; j++)
			expect("before", index_before(list[want[i]], want[i], list[want[j]], want[j]) == (i < j));
	end();
}

/* known answers of Random123 1.14 */
static void
philox(void)
{
	static const uint32_t zero[4] = { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 };
	static const uint32_t ones[4] = { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd };
	uint32_t out[4];

	begin("philox", "known answers");
	philox4x32(out, 0, 0, 0);
	same("zeros", out, zero, sizeof(out));
	philox4x32(out, UINT64_MAX, UINT64_MAX, UINT64_MAX);
	same("ones", out, ones, sizeof(out));
	end();
}

/* ---- fragments of a warp ---- */

enum { LANES = 32 };

/* D[16][8] += A[16][16]·B[16][8] of fragments, as the PTX ISA describes mma.m16n8k16 for 16-bit factors */
static void
warp_multiply(float d[LANES][4], float a[LANES][8], float b[LANES][4])
{
	float A[16][16], B[16][8];
	int lane, i, l;

	for (lane = 0; lane < LANES; lane++) {
		const int group = lane >> 2, in_group = lane % 4;

		for (i = 0; i < 8; i++)
			A[i < 2 || (i >= 4 && i < 6) ? group : group + 8][in_group * 2 + (i & 1) + (i >= 4 ? 8 : 0)] = a[lane][i];
		for (i = 0; i < 4; i++)
			B[in_group * 2 + (i & 1) + (i >= 2 ? 8 : 0)][group] = b[lane][i];
	}
	for (lane = 0; lane < LANES; lane++)
		for (i = 0; i < 4; i++)
			for (l = 0; l < 16; l++)
				d[lane][i] += A[i < 2 ? lane >> 2 : (lane >> 2) + 8][l] * B[l][lane % 4 * 2 + (i & 1)];
}

/* Two products in a row, the second of what the first gave (squared, in place of a softmax), all by fragments: 16 queries, 16
 * keys, heads of 16. Keys and values are read at the places where attention_mma.cu reads them: K[key][c], turned V[c][key]. */
static struct {
	float q[16][16], k[16][16], v[16][16];
	float fa[LANES][8], fb[LANES][4];     /* fragments of the left and the right matrix */
	float s[2][LANES][4], o[2][LANES][4]; /* of the first product, and of the second */
} w;

/* q with k, turned, into w.s */
static void
first_product(void)
{
	int lane, reg, j, r, c;

	for (lane = 0; lane < LANES; lane++)
		for (reg = 0; reg < 4; reg++) {
			index_mma_a(lane, reg, &r, &c);
			w.fa[lane][2 * reg] = w.q[r][c];
			w.fa[lane][2 * reg + 1] = w.q[r][c + 1];
		}
	for (j = 0; j < 2; j++) {
		for (lane = 0; lane < LANES; lane++)
			for (reg = 0; reg < 2; reg++) {
				index_mma_b(lane, reg, &r, &c);
				expect("words of a key", c == lane / 4 && r == 2 * (lane % 4) + 8 * reg);
				w.fb[lane][2 * reg] = w.k[8 * j + c][r];
				w.fb[lane][2 * reg + 1] = w.k[8 * j + c][r + 1];
			}
		warp_multiply(w.s[j], w.fa, w.fb);
	}
}

/* the square of w.s with v into w.o */
static void
second_product(void)
{
	int lane, reg, i, n, r, c, block;

	for (lane = 0; lane < LANES; lane++)
		for (reg = 0; reg < 4; reg++) {
			index_mma_a_of_c(reg, &block, &i);
			w.fa[lane][2 * reg] = w.s[block][lane][i] * w.s[block][lane][i];
			w.fa[lane][2 * reg + 1] = w.s[block][lane][i + 1] * w.s[block][lane][i + 1];
		}
	for (n = 0; n < 2; n++) {
		for (lane = 0; lane < LANES; lane++)
			for (reg = 0; reg < 2; reg++) {
				index_mma_b(lane, reg, &r, &c);
				w.fb[lane][2 * reg] = w.v[r][8 * n + c];
				w.fb[lane][2 * reg + 1] = w.v[r + 1][8 * n + c];
			}
		warp_multiply(w.o[n], w.fa, w.fb);
	}
}

/* row r, column c of what both products give */
static float
both_products(int r, int c)
{
	float sum = 0;
	int j, l;

	for (j = 0; j < 16; j++) {
		float dot = 0;

		for (l = 0; l < 16; l++)
			dot += w.q[r][l] * w.k[j][l];
		sum += dot * dot * w.v[j][c];
	}
	return sum;
}

static void
fragments(void)
{
	int lane, i, n, r, c, ok = 1;

	begin("index", "fragments of two products by a warp");
	memset(&w, 0, sizeof(w));
	for (i = 0; i < 256; i++) {
		w.q[i / 16][i % 16] = (float)(below(9) - 4);
		w.k[i / 16][i % 16] = (float)(below(9) - 4);
		w.v[i / 16][i % 16] = (float)(below(9) - 4);
	}
	first_product();
	second_product();
	for (n = 0; n < 2; n++)
		for (lane = 0; lane < LANES; lane++)
			for (i = 0; i < 4; i++) {
				index_mma_c(lane, i, &r, &c);
				ok &= w.o[n][lane][i] == both_products(r, 8 * n + c);
			}
	expect("both products", ok);
	end();
}

void
test_index(void)
{
	static const int64_t list[] = { 1, 31, 33, 64, 65, 130 };
	int i, j, causal;

	cells();
	segment_search();
	for (i = 0; i < 6; i++)
		for (j = 0; j < 6; j++)
			for (causal = 0; causal < 2; causal++)
				tiles_case(causal, list[i], list[j]);
	patches();
	taps();
	order();
	philox();
	fragments();
}
