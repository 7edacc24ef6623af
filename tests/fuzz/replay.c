/* SPDX-License-Identifier: MIT
 * replay.c - runs a fuzz target over files and folders, in TAP: the corpus
 * under make check. With -rN each file is also mutated N times at random (a
 * poor man's fuzzer where clang's is not at hand). */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int number;
static long mutations;

static uint64_t
next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* a few bytes changed, or the end cut off */
static size_t
mutate(uint8_t *p, size_t n, uint64_t *state)
{
	int k = 1 + (int)(next(state) % 4);

	while (n && k--) {
		const size_t i = next(state) % n;

		switch (next(state) % 4) {
		case 0:
			p[i] ^= (uint8_t)(1u << next(state) % 8);
			break;
		case 1:
			p[i] = (uint8_t)next(state);
			break;
		case 2:
			p[i] = (uint8_t)(p[i] + 1);
			break;
		default:
			if (next(state) % 8 == 0)
				n = i;
		}
	}
	return n;
}

static void
replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct stat st;
	uint8_t *data, *copy;
	uint64_t state = 1;
	long i;

	number++;
	if (!f || fstat(fileno(f), &st) < 0 || !(data = malloc((size_t)st.st_size + 1)) ||
	    !(copy = malloc((size_t)st.st_size + 1)) || fread(data, 1, (size_t)st.st_size, f) != (size_t)st.st_size) {
		printf("not ok %d - %s cannot be read\n", number, path);
		return;
	}
	fclose(f);
	LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
	for (i = 0; i < mutations; i++) {
		memcpy(copy, data, (size_t)st.st_size);
		LLVMFuzzerTestOneInput(copy, mutate(copy, (size_t)st.st_size, &state));
	}
	free(data);
	free(copy);
	printf("ok %d - %s\n", number, path);
	fflush(stdout);
}

static void replay(const char *path);

static int
visible(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static void
replay_folder(const char *path)
{
	struct dirent **list;
	char *name;
	int i, n = scandir(path, &list, visible, alphasort);

	for (i = 0; i < n; i++) {
		if (!(name = malloc(strlen(path) + strlen(list[i]->d_name) + 2)))
			exit(1);
		sprintf(name, "%s/%s", path, list[i]->d_name);
		replay(name);
		free(name);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
}

static void
replay(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		replay_folder(path);
	else
		replay_file(path);
}

int
main(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (strncmp(argv[i], "-r", 2) == 0)
			mutations = atol(argv[i] + 2);
		else
			replay(argv[i]);
	printf("1..%d\n", number);
	return 0;
}
