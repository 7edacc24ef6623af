/* SPDX-License-Identifier: MIT
 * embed.cu - what comes in front of a transformer: patches and embeddings */
#include "cuda.cuh"

int
cuda_patchify(struct backend *b, struct mat y, const uint8_t *images, const float *table, int64_t n, int side,
              int patch, struct adds_error *err)
{
	const int64_t g = side / patch;

	assert(y.rows == n * g * g && y.cols == 3 * (int64_t)patch * patch);
	(void)g;
	(void)n;
	return each(
		cuda_enter(b), y.rows, y.cols, [=] __device__(int64_t r, int64_t c) {
			int channel;
			const int64_t at = index_patch(r, c, side, patch, &channel);

			mat_store(y, r, c, table[channel * 256 + images[at]]);
		},
		"patchify", err);
}

int
cuda_embed_patches(struct backend *b, struct mat y, struct mat x, const float *cls, const float *pos, int64_t n,
                   int64_t g2, struct adds_error *err)
{
	const int64_t d = y.cols, T = g2 + (cls ? 1 : 0);

	assert(y.rows == n * T && x.rows == n * g2 && x.cols == d);
	(void)n;
	return each(
		cuda_enter(b), y.rows, d, [=] __device__(int64_t i, int64_t c) {
			const int64_t t = i % T, j = cls ? t - 1 : t;

			mat_f32(y, i, c) = (j < 0 ? cls[c] : mat_f32(x, i / T * g2 + j, c)) + pos[t * d + c];
		},
		"embed_patches", err);
}

int
cuda_embed_tokens(struct backend *b, struct mat y, const int32_t *id, const int32_t *at, struct mat table,
                  const float *pos, struct adds_error *err)
{
	struct cuda_state *s = cuda_enter(b);
	struct upload u[2] = { { id, (size_t)y.rows * sizeof(*id), NULL }, { at, (size_t)y.rows * sizeof(*at), NULL } };
	const int64_t d = y.cols;
	const int32_t *token, *place;

	assert(table.cols == d);
	if (!y.rows || !d)
		return 0;
	TRY(cuda_upload(s, u, 2, err));
	token = (const int32_t *)u[0].device;
	place = (const int32_t *)u[1].device;
	return each(
		s, y.rows, d, [=] __device__(int64_t i, int64_t c) {
			mat_f32(y, i, c) = mat_load(table, token[i], c) + pos[place[i] * d + c];
		},
		"embed_tokens", err);
}
