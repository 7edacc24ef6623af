/* SPDX-License-Identifier: MIT
 * test_foreign.c - the picture tower on a device of its own memory: when that runs out, and in lanes */
#include <stdlib.h>
#include <string.h>

#include "../../lib/clip/lanes.h"
#include "foreign.h"
#include "unit.h"

enum { TILES = 11 };

static struct adds_error err;

static void
fine(int ok)
{
	ck_assert_msg(ok, "%s", err.msg);
}

static struct adds_clip *
open_on(struct backend *b)
{
	const struct adds_clip_options o = { .precision = PREC_F32, .image_tower = 1, .activation = -1 };
	struct adds_clip *m;

	fine(b != NULL);
	fine((m = adds_clip_open(tree("examples/mini_clip"), b, &o, NULL, 0, &err)) != NULL);
	return m;
}

static size_t
tile_bytes(const struct adds_clip *m)
{
	return (size_t)adds_clip_config(m)->S * (size_t)adds_clip_config(m)->S * 3;
}

static void
paint(uint8_t *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 2654435761u >> 23);
}

/* the tokens of all tiles as a processor gives them; *bytes of them */
static float *
reference(size_t *bytes)
{
	struct backend *b = cpu_open(1, &err);
	struct adds_clip *m = open_on(b);
	const size_t n = (size_t)TILES * (size_t)adds_clip_tile_tokens(m, ADDS_TOKENS_ALL, 2) * (size_t)adds_clip_config(m)->E;
	uint8_t *tiles = malloc(TILES * tile_bytes(m));
	float *out = malloc(n * sizeof(*out));

	paint(tiles, TILES * tile_bytes(m));
	fine(adds_clip_images(m, tiles, TILES, ADDS_TOKENS_ALL, 2, out, &err) == 0);
	*bytes = n * sizeof(*out);
	free(tiles);
	adds_clip_free(m);
	backend_close(b);
	return out;
}

START_TEST(a_batch_without_memory_is_halved_and_gives_the_same_bits)
{
	struct backend *b = foreign_over(cpu_open(1, &err), &err);
	struct adds_clip *m = open_on(b);
	uint8_t *tiles = malloc(TILES * tile_bytes(m));
	size_t bytes, weights = foreign_used(b, NULL), most;
	float *want = reference(&bytes), *got = malloc(bytes);

	paint(tiles, TILES * tile_bytes(m));
	fine(adds_clip_images(m, tiles, TILES, ADDS_TOKENS_ALL, 2, got, &err) == 0);
	ck_assert_mem_eq(got, want, bytes);
	most = foreign_used(b, NULL);
	adds_clip_free(m);
	m = open_on(b);
	foreign_limit(b, weights + (most - weights) / 3); /* 11 and 5 do not fit, 2 do */
	memset(got, 0, bytes);
	fine(adds_clip_images(m, tiles, TILES, ADDS_TOKENS_ALL, 2, got, &err) == 0);
	ck_assert_mem_eq(got, want, bytes);
	adds_clip_free(m);
	foreign_limit(b, 0);
	m = open_on(b);
	foreign_limit(b, weights + 1000);
	ck_assert_int_eq(adds_clip_images(m, tiles, TILES, ADDS_TOKENS_ALL, 2, got, &err), ADDS_ENOMEM);
	adds_clip_free(m);
	backend_close(b);
	free(tiles);
	free(want);
	free(got);
}
END_TEST

/* tiles 0 … TILES-1 through lanes of n, some of them not full */
static void
through_lanes(struct adds_clip_lanes *l, size_t tile, const uint8_t *tiles, char *out, size_t each)
{
	const int count = adds_clip_lanes_count(l);
	const int64_t n = adds_clip_lanes_tiles(l), batches = (TILES + n - 1) / n;
	const void *tokens;
	int64_t g;

	for (g = 0; g < batches + count; g++) {
		const int64_t back = g - count, left = TILES - g * n, size = left < n ? left : n;

		if (back >= 0 && back < batches) {
			const int64_t had = TILES - back * n < n ? TILES - back * n : n;

			fine(adds_clip_lanes_land(l, (int)(back % count), &tokens, &err) == 0);
			memcpy(out + (size_t)(back * n) * each, tokens, (size_t)had * each);
		}
		if (g >= batches)
			continue;
		fine(adds_clip_lanes_put(l, (int)(g % count), 0, tiles + (size_t)(g * n) * tile, size, &err) == 0);
		fine(adds_clip_lanes_start(l, (int)(g % count), size, &err) == 0);
	}
}

START_TEST(lanes_give_the_same_bits_and_take_memory_once)
{
	struct backend *b = foreign_over(cpu_open(1, &err), &err);
	struct adds_clip *m = open_on(b);
	struct adds_clip_lanes *l;
	const size_t tile = tile_bytes(m);
	size_t bytes;
	float *want = reference(&bytes);
	char *got = malloc(bytes);
	int64_t allocations, waits;
	void *tiles;

	fine(b->ops->host_alloc(b, &tiles, TILES * tile, &err) == 0);
	paint(tiles, TILES * tile);
	fine((l = adds_clip_lanes_new(m, 2, ADDS_TOKENS_ALL, 2, DT_F32, &err)) != NULL);
	ck_assert_int_eq(adds_clip_lanes_tiles(l), 2);
	ck_assert_int_eq(adds_clip_lanes_halved(l), 0);
	allocations = foreign_allocations(b);
	waits = foreign_waits(b);
	through_lanes(l, tile, tiles, got, bytes / TILES);
	ck_assert_mem_eq(got, want, bytes);
	ck_assert_int_eq(foreign_allocations(b), allocations);
	ck_assert_int_eq(foreign_waits(b), waits); /* but for those of the lanes */
	ck_assert_int_eq(foreign_replays(b), 3);   /* five full batches in two lanes */
	adds_clip_lanes_free(l);
	b->ops->host_release(b, tiles);
	adds_clip_free(m);
	backend_close(b);
	free(want);
	free(got);
}
END_TEST

Suite *foreign_suite(void);

Suite *
foreign_suite(void)
{
	Suite *s = suite_create("foreign");
	TCase *c = tcase_create("foreign");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, a_batch_without_memory_is_halved_and_gives_the_same_bits);
	tcase_add_test(c, lanes_give_the_same_bits_and_take_memory_once);
	suite_add_tcase(s, c);
	return s;
}
