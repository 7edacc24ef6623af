/* SPDX-License-Identifier: MIT
 * segments.cu - segments of rows: a thread a column of a segment, rows in order */
#include "cuda.cuh"

/* the offsets on the device */
static int
offsets(struct cuda_state *s, const int64_t **at, struct segs g, struct adds_error *err)
{
	struct upload u = upload_segs(g);

	TRY(cuda_upload(s, &u, 1, err));
	*at = (const int64_t *)u.device;
	return 0;
}

int
cuda_seg_max(struct backend *b, struct mat y, struct mat x, struct segs g, struct adds_error *err)
{
	struct cuda_state *s = cuda_enter(b);
	const int64_t *at;

	assert(y.rows == g.n && y.cols == x.cols);
	if (!g.n || !x.cols)
		return 0;
	TRY(offsets(s, &at, g, err));
	return each(
		s, g.n, x.cols, [=] __device__(int64_t i, int64_t c) {
			float most = -INFINITY;
			int64_t r;

			for (r = at[i]; r < at[i + 1]; r++)
				most = mat_f32(x, r, c) > most ? mat_f32(x, r, c) : most;
			mat_f32(y, i, c) = most;
		},
		"seg_max", err);
}

int
cuda_seg_softmax(struct backend *b, struct mat y, struct mat x, float scale, struct segs g, struct adds_error *err)
{
	struct cuda_state *s = cuda_enter(b);
	const int64_t *at;

	assert(y.rows == x.rows && y.cols == x.cols);
	if (!g.n || !x.cols)
		return 0;
	TRY(offsets(s, &at, g, err));
	return each(
		s, g.n, x.cols, [=] __device__(int64_t i, int64_t c) {
			float most = -INFINITY, sum = 0;
			int64_t r;

			for (r = at[i]; r < at[i + 1]; r++)
				most = fmaxf(most, scale * mat_f32(x, r, c));
			for (r = at[i]; r < at[i + 1]; r++) {
				const float e = expf(scale * mat_f32(x, r, c) - most);

				mat_f32(y, r, c) = e;
				sum += e;
			}
			for (r = at[i]; r < at[i + 1]; r++)
				mat_f32(y, r, c) /= sum;
		},
		"seg_softmax", err);
}

int
cuda_seg_dot(struct backend *b, struct mat y, struct mat x, struct mat z, struct segs g, struct adds_error *err)
{
	struct cuda_state *s = cuda_enter(b);
	const int64_t *at;

	assert(y.rows == g.n && y.cols == x.cols && x.rows == z.rows && x.cols == z.cols);
	if (!g.n || !x.cols)
		return 0;
	TRY(offsets(s, &at, g, err));
	return each(
		s, g.n, x.cols, [=] __device__(int64_t i, int64_t c) {
			float sum = 0;
			int64_t r;

			for (r = at[i]; r < at[i + 1]; r++)
				sum += mat_f32(x, r, c) * mat_f32(z, r, c);
			mat_f32(y, i, c) = sum;
		},
		"seg_dot", err);
}

int
cuda_seg_spread(struct backend *b, struct mat y, struct mat x, struct mat z, struct segs g, struct adds_error *err)
{
	struct cuda_state *s = cuda_enter(b);
	const int64_t *at;

	assert(z.rows == g.n && y.cols == x.cols && y.rows == x.rows && z.cols == x.cols);
	if (!g.n || !x.cols)
		return 0;
	TRY(offsets(s, &at, g, err));
	return each(
		s, g.at[g.n], x.cols, [=] __device__(int64_t r, int64_t c) {
			mat_f32(y, r, c) = mat_f32(x, r, c) * mat_f32(z, index_segment(at, g.n, r), c);
		},
		"seg_spread", err);
}
