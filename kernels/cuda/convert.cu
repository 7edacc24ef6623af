/* SPDX-License-Identifier: MIT
 * convert.cu - between f32, bf16 and f16 */
#include "library.cuh"

int
convert_many(struct cuda_state *s, struct mat y, int64_t sy, struct mat x, int64_t sx, int64_t count,
             struct adds_error *err)
{
	assert(y.rows == x.rows && y.cols == x.cols);
	return each(
		s, count * y.rows, y.cols, [=] __device__(int64_t i, int64_t c) {
			const int64_t n = i / y.rows, r = i % y.rows;
			const int64_t to = n * sy + r * y.ld + c, from = n * sx + r * x.ld + c;

			mat_store(y, 0, to, mat_load(x, 0, from));
		},
		"convert", err);
}

int
cuda_convert(struct backend *b, struct mat y, struct mat x, struct adds_error *err)
{
	return convert_many(cuda_enter(b), y, 0, x, 0, 1, err);
}
