/* SPDX-License-Identifier: MIT
 * labels.c - labels and their prompts from lists, JSON and headers */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "labels.h"

enum {
	MAX_LIST = 64 << 20, /* bytes of a list */
	PROMPTS_MAX = 4096,  /* of one label */
	BEGUN = 4,
};

struct input {
	int fd;
	const char *name;
	unsigned char begun[BEGUN]; /* the bytes read so far */
	size_t n;
};

static int
read_some(struct input *in, void *to, size_t room, size_t *got, struct adds_error *err)
{
	ssize_t n;

	for (*got = 0; *got < room; *got += (size_t)n) {
		while ((n = read(in->fd, (char *)to + *got, room - *got)) < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return adds_fail_errno(err, "cannot read '%s'", in->name);
		if (n == 0)
			break;
	}
	return 0;
}

/* ---- streams ---- */

/* a zstd frame, or one to be skipped before it */
static int
is_stream(const struct input *in)
{
	static const unsigned char frame[BEGUN] = { 0x28, 0xb5, 0x2f, 0xfd };

	if (in->n < BEGUN)
		return 0;
	return memcmp(in->begun, frame, BEGUN) == 0 ||
	       ((in->begun[0] & 0xf0) == 0x50 && memcmp(in->begun + 1, "\x2a\x4d\x18", 3) == 0);
}

static int
read_stream(struct adds_labels *l, struct input *in, struct adds_error *err)
{
	struct adds_reader *r = adds_reader_open_begun(in->fd, in->name, in->begun, in->n, err);
	const struct adds_message *m;
	struct stat st;
	int rc = 0;

	if (!r)
		return err->code;
	if (!(l->vocab = adds_vocab_from_header(adds_reader_header(r), err)))
		rc = adds_fail_in(err, "%s: header", in->name);
	else if (fstat(in->fd, &st) < 0 || !S_ISREG(st.st_mode))
		while ((rc = adds_reader_read(r, &m, err)) > 0)
			continue;
	if (rc == 0 && adds_reader_warnings(r) && !(l->warnings = strdup(adds_reader_warnings(r))))
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory");
	adds_reader_close(r);
	if (rc == 0 && adds_vocab_size(l->vocab) == 0)
		rc = adds_fail(err, ADDS_EFORMAT, "%s: the stream has no vocabulary: its pictures have no labels", in->name);
	return rc;
}

/* ---- text ---- */

static char *
read_text(struct input *in, size_t *len, struct adds_error *err)
{
	size_t size = 1 << 16, got;
	char *s = NULL, *more;

	*len = 0;
	do {
		size *= 2;
		if (*len > MAX_LIST) {
			adds_fail(err, ADDS_ELIMIT, "'%s': a list of more than %d bytes", in->name, MAX_LIST);
			break;
		}
		if (!(more = realloc(s, size + 1))) {
			adds_fail(err, ADDS_ENOMEM, "out of memory for '%s'", in->name);
			break;
		}
		s = more;
		if (*len == 0) {
			memcpy(s, in->begun, in->n);
			*len = in->n;
		}
		if (read_some(in, s + *len, size - *len, &got, err) < 0)
			break;
		*len += got;
		if (*len < size) {
			s[*len] = '\0';
			return s;
		}
	} while (1);
	free(s);
	return NULL;
}

/* rows are added one by one: room for the line and the prompts of each */
struct list {
	struct adds_labels *l;
	size_t *line;
	size_t room;
	const char *name;
};

static int
reserve(struct list *list, size_t n)
{
	const size_t room = list->room ? 2 * list->room : 256;
	size_t *line;
	char **own;

	if (n <= list->room)
		return 0;
	if (!(line = realloc(list->line, room * sizeof(*line))))
		return -1;
	list->line = line;
	if (!(own = realloc(list->l->own, room * sizeof(*own))))
		return -1;
	memset(own + list->room, 0, (room - list->room) * sizeof(*own));
	list->l->own = own;
	list->room = room;
	return 0;
}

/* the prompts behind the first tab, s being n bytes: each with a NUL, empty ones left out */
static int
take_prompts(struct list *list, size_t row, const char *s, size_t n, size_t number, struct adds_error *err)
{
	const char *end = s + n, *stop;
	size_t at = 0, prompts = 0;
	char *own;

	if (!(own = malloc(n + 2)))
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	list->l->own[row] = own;
	for (; s < end; s = stop + 1) {
		if (!(stop = memchr(s, '\t', (size_t)(end - s))))
			stop = end;
		if (stop == s)
			continue;
		if (++prompts > PROMPTS_MAX)
			return adds_fail(err, ADDS_ELIMIT, "'%s' line %zu: more than %d prompts",
			                 list->name, number, PROMPTS_MAX);
		memcpy(own + at, s, (size_t)(stop - s));
		at += (size_t)(stop - s);
		own[at++] = '\0';
	}
	own[at] = '\0';
	if (prompts == 0) {
		free(own);
		list->l->own[row] = NULL;
	}
	return 0;
}

static int
blank(const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n && strchr(" \t\r\v\f", s[i]) && s[i]; i++)
		continue;
	return i == n;
}

static int
take_line(struct list *list, const char *s, size_t n, size_t number, struct adds_error *err)
{
	struct adds_vocab *v = list->l->vocab;
	const size_t before = adds_vocab_size(v);
	const char *tab;
	int64_t row;

	if (n && s[n - 1] == '\r')
		n--;
	if (blank(s, n))
		return 0;
	if (memchr(s, '\0', n))
		return adds_fail(err, ADDS_EFORMAT, "'%s' line %zu: a NUL byte: this is no text", list->name, number);
	tab = memchr(s, '\t', n);
	if (blank(s, tab ? (size_t)(tab - s) : n))
		return adds_fail(err, ADDS_EFORMAT, "'%s' line %zu: no label before the tab", list->name, number);
	if (reserve(list, before + 1) < 0)
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	if ((row = adds_vocab_add(v, s, tab ? (size_t)(tab - s) : n, err)) < 0)
		return adds_fail_in(err, "'%s' line %zu", list->name, number);
	if (adds_vocab_size(v) == before)
		return adds_fail(err, ADDS_EFORMAT, "'%s' lines %zu and %zu: '%s' stands twice: remove one", list->name,
		                 list->line[row], number, adds_vocab_name(v, (size_t)row));
	list->line[row] = number;
	return tab ? take_prompts(list, (size_t)row, tab + 1, n - (size_t)(tab + 1 - s), number, err) : 0;
}

static int
take_lines(struct list *list, const char *s, size_t len, struct adds_error *err)
{
	const char *end = s + len, *stop;
	size_t number = 0;
	int rc;

	for (; s < end; s = stop + 1) {
		if (!(stop = memchr(s, '\n', (size_t)(end - s))))
			stop = end;
		if ((rc = take_line(list, s, (size_t)(stop - s), ++number, err)) < 0)
			return rc;
	}
	if (adds_vocab_size(list->l->vocab) == 0)
		return adds_fail(err, ADDS_EFORMAT, "'%s' holds no label", list->name);
	return 0;
}

static int
read_list(struct adds_labels *l, const char *text, size_t len, const char *name, struct adds_error *err)
{
	struct list list = { .l = l, .name = name };
	const size_t bom = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	int rc;

	if (!(l->vocab = adds_vocab_new()))
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	rc = take_lines(&list, text + bom, len - bom, err);
	free(list.line);
	return rc;
}

/* organized_Tags.json begins with a bracket */
static int
is_json(const char *s, size_t len)
{
	if (len >= 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0)
		s += 3;
	while (*s && strchr(" \t\r\n", *s))
		s++;
	return *s == '{' || *s == '[';
}

static int
read_input(struct adds_labels *l, struct input *in, struct adds_error *err)
{
	char *text;
	size_t len;
	int rc;

	if ((rc = read_some(in, in->begun, BEGUN, &in->n, err)) < 0)
		return rc;
	if (is_stream(in))
		return read_stream(l, in, err);
	if (!(text = read_text(in, &len, err)))
		return err->code;
	if (!is_json(text, len))
		rc = read_list(l, text, len, in->name, err);
	else if (!(l->vocab = adds_vocab_parse(text, len, in->name, err)))
		rc = err->code;
	free(text);
	return rc;
}

int
adds_labels_read(struct adds_labels *l, const char *path, struct adds_error *err)
{
	const int standard = strcmp(path, "-") == 0;
	struct input in = { .fd = STDIN_FILENO, .name = standard ? "<stdin>" : path };
	struct adds_error own;
	int rc;

	err = err ? err : &own;
	*l = (struct adds_labels){ 0 };
	if (!standard && (in.fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return adds_fail_errno(err, "cannot open '%s'", path);
	rc = read_input(l, &in, err);
	if (!standard)
		close(in.fd);
	return rc;
}

void
adds_labels_release(struct adds_labels *l)
{
	size_t i;

	for (i = 0; l->own && i < adds_vocab_size(l->vocab); i++)
		free(l->own[i]);
	free(l->own);
	free(l->warnings);
	adds_vocab_free(l->vocab);
	*l = (struct adds_labels){ 0 };
}
