/* SPDX-License-Identifier: MIT
 *
 * main.c - runs the conformance suite on each device there is, and prints TAP.
 * ADDS_REQUIRE=cuda makes a missing GPU a failure. With names as arguments
 * (products rows attention elements sums segments clip train copies threads index) only those,
 * and with cpu or cuda before them that device alone.
 */
#include <stdio.h>

#include "../../kernels/cpu/cpu.h"
#include "../../kernels/cpu/simd.h"
#include "suite.h"

int suite_failures(void);

static const struct {
	const char *name;
	void (*run)(void);
} parts[] = {
	{ "products", test_products },
	{ "rows", test_rows },
	{ "attention", test_attention },
	{ "elements", test_elements },
	{ "sums", test_sums },
	{ "segments", test_segments },
	{ "clip", test_clip },
	{ "train", test_train },
	{ "copies", test_copies },
	{ "threads", test_threads },
	{ "index", test_index },
};

static int
wanted(const char *name, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return 1;
	return argc == 1;
}

/* a table with a hole would crash a caller one day */
static int
whole(const struct backend_ops *ops)
{
	void (*slot[sizeof(*ops) / sizeof(void (*)(void))])(void);
	size_t i, empty = 0;

	memcpy(slot, ops, sizeof(slot));
	for (i = 0; i < sizeof(slot) / sizeof(*slot); i++)
		empty += slot[i] == NULL;
	printf("%s - %s fills the whole table\n", empty ? "not ok" : "ok", ops->name);
	return empty != 0;
}

static int
run(struct backend *b, int argc, char **argv)
{
	int failed;
	size_t i;

	dev = b;
	printf("# %s\n", b->device);
	failed = whole(b->ops);
	for (i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (wanted(parts[i].name, argc, argv))
			parts[i].run();
	backend_close(b);
	return failed;
}

/* what products other processors have: of bf16 those with AMX, of bytes those without VNNI */
static void
run_others(struct backend *b)
{
	struct cpu_state *s = cpu_state(b);
	const struct simd *best = s->simd_int8, *less = cpu_simd_best(0);

	if (b->bf16 && !s->amx) {
		s->amx = 1;
		dev = b;
		printf("# %s, by oneDNN\n", b->device);
		test_products();
	}
	if (less != best && less->tile[FORM_INT8]) {
		s->simd_int8 = less;
		dev = b;
		printf("# %s, bytes by %s\n", b->device, less->name);
		test_products();
	}
}

static int
on_cpu(int argc, char **argv)
{
	struct backend *b = backend_open("cpu", 2, NULL, 0, &fault);
	int failed;

	if (!b) {
		printf("not ok - cpu: %s\n", fault.msg);
		return 1;
	}
	failed = run(b, argc, argv);
	if ((b = backend_open("cpu", 2, NULL, 0, &fault)) && wanted("products", argc, argv))
		run_others(b);
	if (b)
		backend_close(b);
	return failed;
}

static int
on_cuda(int argc, char **argv)
{
	const char *require = getenv("ADDS_REQUIRE");
	struct backend *b = backend_open("cuda", 2, NULL, 0, &fault);

	if (b)
		return run(b, argc, argv);
	if (require && strcmp(require, "cuda") == 0) {
		printf("not ok - cuda is required: %s\n", fault.msg);
		return 1;
	}
	printf("ok - cuda # SKIP no device: %s\n", fault.msg);
	return 0;
}

int
main(int argc, char **argv)
{
	const int cpu = argc > 1 && strcmp(argv[1], "cpu") == 0, cuda = argc > 1 && strcmp(argv[1], "cuda") == 0;
	int failed = 0;

	argc -= cpu || cuda;
	argv += cpu || cuda;
	if (!cuda)
		failed += on_cpu(argc, argv);
	if (!cpu)
		failed += on_cuda(argc, argv);
	return failed + suite_failures() ? 1 : 0;
}
