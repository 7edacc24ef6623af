/* SPDX-License-Identifier: MIT
 * test_zeroshot.c - zero-shot scores, which tokens they read, and the gate */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/label/vocab.h"
#include "decoder_fixture.h"

/* three tiles of 1 + 2, 1 + 1 and 1 + 4 tokens */
static const int32_t tiles[18] = { 0, 0, 0, 0, 0, 3, 1, 0, 0, 0, 0, 2, 1, 0, 1, 0, 9, 5 };

static void
reads(enum adds_read read, const int32_t *t, size_t ntiles, const char *tokens, int64_t T, const int32_t *want, int64_t n)
{
	int32_t rows[32];

	ck_assert_int_eq(adds_read_rows(rows, read, t, ntiles, tokens, T), n);
	ck_assert_mem_eq(rows, want, (size_t)n * sizeof(*want));
}

START_TEST(rows_that_are_read)
{
	const int32_t cls[3] = { 0, 3, 5 }, all[10] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 };

	reads(ADDS_READ_CLS, tiles, 3, "all", 10, cls, 1);
	reads(ADDS_READ_TILE, tiles, 3, "all", 10, cls, 3);
	reads(ADDS_READ_PATCH, tiles, 3, "all", 10, all, 10);
	reads(ADDS_READ_CLS, tiles, 3, "patch", 10, all, 3);
	reads(ADDS_READ_TILE, tiles, 3, "patch", 10, all, 10);
	reads(ADDS_READ_TILE, NULL, 0, "cls", 4, all, 4);
	reads(ADDS_READ_CLS, NULL, 0, "cls", 4, all, 1);
	reads(ADDS_READ_TILE, NULL, 0, NULL, 0, all, 0);
}
END_TEST

START_TEST(the_best_cosine_of_the_tokens_read)
{
	enum { D = 20,
	       T = 40,
	       L = 9,
	       N = 3 };
	const int64_t at[N + 1] = { 0, 4, 5, 12 };
	const int32_t rows[12] = { 7, 0, 39, 5, 6, 1, 2, 3, 4, 8, 9, 10 };
	float x[T * D], t[L * D], z[N * L], one[L], want;
	struct adds_error err;
	struct backend *b = backend_open("cpu", 2, NULL, 0, &err);
	int i, j, l, k;

	made_up_rows(x, T, D, 1);
	made_up_rows(t, L, D, 2);
	ck_assert_int_eq(adds_zero_shot(b, f32(z, N, L), f32(x, T, D), rows, (struct segs){ N, at },
	                                f32(t, L, D), 1.0f / D, &err),
	                 0);
	for (i = 0; i < N; i++)
		for (l = 0; l < L; l++) {
			double most = -2;

			for (j = (int)at[i]; j < at[i + 1]; j++) {
				double s = 0;

				for (k = 0; k < D; k++)
					s += (double)x[rows[j] * D + k] * (double)t[l * D + k] / D;
				most = fmax(most, s);
			}
			want = (float)most;
			check_close("z0", &z[i * L + l], &want, 1, 0, 1e-6); /* seen: 1.2e-7 */
		}
	/* a picture by itself gives the same bits */
	ck_assert_int_eq(adds_zero_shot(b, f32(one, 1, L), f32(x, T, D), rows + 5,
	                                (struct segs){ 1, (int64_t[]){ 0, 7 } }, f32(t, L, D),
	                                1.0f / D, &err),
	                 0);
	ck_assert_mem_eq(one, z + 2 * L, sizeof(one));
	backend_close(b);
}
END_TEST

START_TEST(the_gate_falls_with_the_distance_to_trained_labels)
{
	struct adds_vocab *labels = adds_vocab_new(), *trained = adds_vocab_new();
	const float texts[4 * 2] = { 1, 0, 1, 0, .8f, .6f, -1, 0 }, trained_texts[2 * 2] = { 1, 0, .6f, .8f };
	struct adds_error err;
	float gate[4];

	adds_vocab_add(labels, "cat", 3, &err);
	adds_vocab_add(labels, "tom", 3, &err);
	adds_vocab_add(labels, "dog", 3, &err);
	adds_vocab_add(labels, "far", 3, &err);
	adds_vocab_add(trained, "cat", 3, &err);
	adds_vocab_add(trained, "dog", 3, &err);
	adds_gate(gate, labels, texts, trained, trained_texts, 2);
	ck_assert_float_eq(gate[0], 1);                     /* trained */
	ck_assert_float_eq_tol(gate[1], 1, 1e-6f);          /* another name for the same text */
	ck_assert_float_eq_tol(gate[2], expf(-.4f), 1e-6f); /* the name of a trained label, not its text: .96 is nearest */
	ck_assert_float_eq_tol(gate[3], expf(-16), 1e-9f);
	adds_vocab_free(labels);
	adds_vocab_free(trained);
}
END_TEST

Suite *zeroshot_suite(void);

Suite *
zeroshot_suite(void)
{
	Suite *s = suite_create("zeroshot");
	TCase *c = tcase_create("zeroshot");

	tcase_add_test(c, rows_that_are_read);
	tcase_add_test(c, the_best_cosine_of_the_tokens_read);
	tcase_add_test(c, the_gate_falls_with_the_distance_to_trained_labels);
	suite_add_tcase(s, c);
	return s;
}
