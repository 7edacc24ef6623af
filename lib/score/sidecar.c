/* SPDX-License-Identifier: MIT
 * sidecar.c - tag files beside pictures, and the ledger that undoes them */
#include <ctype.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../label/hierarchy.h"
#include "../stream/output.h"
#include "tags.h"

enum { MAX_SIDECAR = 1 << 20,
       MAX_LEDGER = 1 << 30 };

/* whose tags a file has */
struct owner {
	char *file, *picture; /* picture NULL: the ledger does not say */
	int now;              /* since this ledger was opened */
};

struct adds_sidecars {
	char *name;
	int fd;      /* of the ledger */
	char **mine; /* sorted "path\nsha256": what the ledger says we wrote */
	size_t n;
	void *owners; /* a tree of tsearch, by file */
};

static int
by_file(const void *a, const void *b)
{
	return strcmp(((const struct owner *)a)->file, ((const struct owner *)b)->file);
}

static void
free_owner(struct owner *o)
{
	free(o->file);
	free(o->picture);
	free(o);
}

/* The file's owner from now on; NULL: out of memory. */
static struct owner *
own(struct adds_sidecars *s, const char *file, const char *picture, int now)
{
	struct owner *o = calloc(1, sizeof(*o)), **in_tree;

	if (!o || !(o->file = strdup(file)) || (picture && !(o->picture = strdup(picture))) ||
	    !(in_tree = tsearch(o, &s->owners, by_file))) {
		if (o)
			free_owner(o);
		return NULL;
	}
	if (*in_tree != o) {
		free_owner(*in_tree);
		*in_tree = o;
	}
	o->now = now;
	return o;
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *
entry_key(const char *path, const char *sha)
{
	const size_t n = strlen(path) + strlen(sha) + 2;
	char *key = malloc(n);

	if (key)
		snprintf(key, n, "%s\n%s", path, sha);
	return key;
}

/* hexadecimal digits to the bytes of a string, in place; 0 if they are none */
static int
unhex(char *s)
{
	char *to = s;
	unsigned byte;

	for (; s[0]; s += 2) {
		if (strspn(s, "0123456789abcdef") < 2 || sscanf(s, "%2x", &byte) != 1 || !byte)
			return 0;
		*to++ = (char)byte;
	}
	*to = '\0';
	return 1;
}

/* a string of a line, which stands under hex_key in digits where it is no UTF-8; NULL if neither is there */
static const char *
string_of(cJSON *json, const char *key, const char *hex_key)
{
	cJSON *plain = cJSON_GetObjectItemCaseSensitive(json, key), *hex = cJSON_GetObjectItemCaseSensitive(json, hex_key);

	if (cJSON_IsString(plain))
		return plain->valuestring;
	return cJSON_IsString(hex) && unhex(hex->valuestring) ? hex->valuestring : NULL;
}

/* one line of a ledger */
struct line {
	const char *path, *sha, *before; /* before NULL: there was no file */
	const char *picture;             /* NULL: a ledger of old */
};

/* Its fields lie inside *json, which the caller deletes. */
static int
parse_line(cJSON **json, struct line *e, const char *line, size_t len, const char *name, struct adds_error *err)
{
	const cJSON *was;

	if (!(*json = adds_json_parse(line, len, MAX_SIDECAR * 8, name, err)))
		return err->code;
	was = cJSON_GetObjectItemCaseSensitive(*json, "before");
	e->path = string_of(*json, "file", "file_hex");
	e->sha = string_of(*json, "sha256", "");
	e->before = string_of(*json, "before", "before_hex");
	e->picture = string_of(*json, "picture", "picture_hex");
	if (!e->path || !e->sha || (!e->before && !cJSON_IsNull(was)))
		return adds_fail(
			err, ADDS_EFORMAT,
			"%s: not a ledger of sidecars: a line lacks 'file', 'sha256' or 'before'",
			name);
	return 0;
}

typedef int line_fn(void *ctx, const struct line *e, struct adds_error *err);

/* text ends in a whole line, or in the beginning of one that a killed run left */
static int
ends_well(const char *text, size_t len)
{
	const char *begin = "{\"before", *last = strrchr(text, '\n');
	const size_t n = strlen(last = last ? last + 1 : text);

	return strlen(text) == len && strncmp(last, begin, n < strlen(begin) ? n : strlen(begin)) == 0;
}

/* calls fn for each line of a ledger, from the first or, backwards, from the last; a line
 * without its newline (a run that was killed) wrote nothing and is skipped */
static int
each_line(const char *ledger, int backwards, line_fn *fn, void *ctx, struct adds_error *err)
{
	const char **line = NULL;
	struct line e;
	size_t len, n = 0, i;
	char *text, *s, *end;
	cJSON *json = NULL;
	int rc = 0;

	if (!(text = adds_read_file(ledger, MAX_LEDGER, &len, err)))
		return err->code;
	if (!ends_well(text, len)) {
		rc = adds_fail(err, ADDS_EFORMAT, "%s: not a ledger of sidecars", ledger);
		goto out;
	}
	for (s = text; (end = strchr(s, '\n')); s = end + 1)
		n++;
	if (!(line = calloc(n + 1, sizeof(*line)))) {
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory for the ledger '%s'", ledger);
		goto out;
	}
	for (s = text, i = 0; i < n; i++, s = end + 1) {
		end = strchr(s, '\n');
		*end = '\0';
		line[i] = s;
	}
	for (i = 0; i < n && rc == 0; i++) {
		const char *l = line[backwards ? n - 1 - i : i];

		rc = parse_line(&json, &e, l, strlen(l), ledger, err);
		if (rc == 0)
			rc = fn(ctx, &e, err);
		cJSON_Delete(json);
	}
out:
	free(line);
	free(text);
	return rc;
}

static int
remember(void *ctx, const struct line *e, struct adds_error *err)
{
	struct adds_sidecars *s = ctx;
	char **more = s->mine;

	if (!(s->n & (s->n - 1)) && !(more = realloc(s->mine, (2 * s->n + 1) * sizeof(*more))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for the ledger");
	s->mine = more;
	if (!(s->mine[s->n] = entry_key(e->path, e->sha)))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for the ledger");
	s->n++;
	return own(s, e->path, e->picture, 0) ? 0 : adds_fail(err, ADDS_ENOMEM, "out of memory for the ledger");
}

/* A last line without its newline is of a run that was killed before it wrote
 * the file: it goes, or the next entry would be joined to it. */
static int
drop_partial_line(const char *ledger, struct adds_error *err)
{
	size_t len, whole;
	char *text = adds_read_file(ledger, MAX_LEDGER, &len, err);
	int rc = 0;

	if (!text)
		return err->code;
	for (whole = len; whole && text[whole - 1] != '\n'; whole--)
		continue;
	if (whole < len && truncate(ledger, (off_t)whole) < 0)
		rc = adds_fail_errno(err, "cannot write the ledger '%s'", ledger);
	free(text);
	return rc;
}

struct adds_sidecars *
adds_sidecars_open(const char *ledger, struct adds_error *err)
{
	struct adds_sidecars *s = calloc(1, sizeof(*s));

	if (s)
		s->fd = -1;
	if (!s || !(s->name = strdup(ledger))) {
		adds_fail(err, ADDS_ENOMEM, "out of memory");
		goto failed;
	}
	if (access(ledger, F_OK) == 0 && each_line(ledger, 0, remember, s, err) < 0)
		goto failed;
	if (s->n)
		qsort(s->mine, s->n, sizeof(*s->mine), by_text);
	if ((s->fd = open(ledger, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) < 0) {
		adds_fail_errno(err, "cannot open the ledger '%s'", ledger);
		goto failed;
	}
	if (drop_partial_line(ledger, err) < 0)
		goto failed;
	return s;
failed:
	adds_sidecars_close(s);
	return NULL;
}

void
adds_sidecars_close(struct adds_sidecars *s)
{
	size_t i;

	if (!s)
		return;
	for (i = 0; i < s->n; i++)
		free(s->mine[i]);
	free(s->mine);
	while (s->owners) {
		struct owner *o = *(struct owner **)s->owners;

		tdelete(o, &s->owners, by_file);
		free_owner(o);
	}
	free(s->name);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

static int
is_mine(const struct adds_sidecars *s, const char *path, const char *sha)
{
	char *key = entry_key(path, sha);
	const int found = key && s->n && bsearch(&key, s->mine, s->n, sizeof(*s->mine), by_text) != NULL;

	free(key);
	return found;
}

/* 0: out of memory */
static int
add_string(cJSON *j, const char *key, const char *hex_key, const char *s)
{
	size_t i, n = strlen(s);
	char *hex;
	int ok;

	if (adds_utf8_valid(s, n))
		return cJSON_AddStringToObject(j, key, s) != NULL;
	if (!(hex = malloc(2 * n + 1)))
		return 0;
	for (i = 0; i < n; i++)
		snprintf(hex + 2 * i, 3, "%02x", (unsigned char)s[i]);
	ok = cJSON_AddStringToObject(j, hex_key, hex) != NULL;
	free(hex);
	return ok;
}

static int
enter(struct adds_sidecars *s, const char *path, const char *picture, const char *text,
      const char *before, struct adds_error *err)
{
	cJSON *j = cJSON_CreateObject();
	char sha[65], *line, *grown;
	int failed;

	adds_sha256_hex(sha, text, strlen(text));
	failed = !add_string(j, "file", "file_hex", path) || !add_string(j, "picture", "picture_hex", picture) ||
	         !cJSON_AddStringToObject(j, "sha256", sha) ||
	         !(before ? add_string(j, "before", "before_hex", before) : cJSON_AddNullToObject(j, "before") != NULL);
	line = failed ? NULL : adds_json_print(j);
	cJSON_Delete(j);
	if (!line || !(grown = realloc(line, strlen(line) + 2))) {
		free(line);
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	}
	line = strcat(grown, "\n");
	failed = adds_write_all(s->fd, line, strlen(line)) < 0 || fsync(s->fd) < 0;
	free(line);
	return failed ? adds_fail_errno(err, "cannot write the ledger '%s'", s->name) : 0;
}

static int
put_file(const char *path, const char *text, struct adds_error *err)
{
	struct adds_output *o = adds_output_open(path, err);

	if (!o)
		return err->code;
	if (adds_output_write(o, text, strlen(text), err) < 0) {
		adds_output_abort(o);
		return err->code;
	}
	return adds_output_commit(o, err);
}

/* Nothing but blanks stands between a tag's place and what ends the one before it: a comma, a line end, the separator,
 * the begin of the list. */
static int
tag_begins(const char *list, const char *at, const char *separator)
{
	const size_t sep = strlen(separator);

	for (; at > list; at--) {
		if (strchr(",\r\n", at[-1]) || ((size_t)(at - list) >= sep && memcmp(at - sep, separator, sep) == 0))
			return 1;
		if (at[-1] != ' ' && at[-1] != '\t')
			return 0;
	}
	return 1;
}

static int
tag_ends(const char *at, const char *separator)
{
	for (;; at++) {
		if (!*at || strchr(",\r\n", *at) || strncmp(at, separator, strlen(separator)) == 0)
			return 1;
		if (*at != ' ' && *at != '\t')
			return 0;
	}
}

/* 1 if the tag stands in the text by itself: between commas, separators or line ends, all of which a tag may hold too */
static int
has_tag(const char *text, const char *tag, const char *separator)
{
	const char *s;

	for (s = text; (s = strstr(s, tag)); s++)
		if (tag_begins(text, s, separator) && tag_ends(s + strlen(tag), separator))
			return 1;
	return 0;
}

/* how a tag file goes on: what stands before the first new tag, before the others, and at the end of its last line */
struct style {
	const char *first, *between, *end;
};

/* The style of a text whose last tag ends at len: one tag a line stays that, commas stay commas. */
static void
find_style(struct style *st, const char *text, size_t len, const char *separator)
{
	const int lines = memchr(text, '\n', len) != NULL, by_line = separator[strspn(separator, "\r\n")] == '\0';
	const char *const comma = memchr(text, ',', len), *const sep = by_line ? NULL : strstr(text, separator);

	st->end = strstr(text, "\r\n") ? "\r\n" : "\n";
	if (sep && sep < text + len)
		st->between = separator;
	else if (comma)
		st->between = comma[1] == ' ' ? ", " : ",";
	else
		st->between = lines || (by_line && strchr(text, '\n')) ? st->end : separator;
	if (len == 0)
		st->first = "";
	else if (lines)
		st->first = st->end;
	else
		st->first = st->between + (ispunct((unsigned char)*st->between) && text[len - 1] == *st->between);
}

/* text as it is, with those of the tags that it lacks behind its last; the caller frees it. NULL: out of memory. */
static char *
append_tags(const char *text, const char *const *tag, size_t n, const char *separator)
{
	const size_t mark = strncmp(text, "\xef\xbb\xbf", 3) ? 0 : 3, len = strlen(text);
	size_t room = len + 3, at = len, i, added = 0;
	struct style st;
	const char *rest;
	char *out;

	while (at > mark && strchr(" \t\r\n", text[at - 1]))
		at--;
	rest = text + at;
	find_style(&st, text + mark, at - mark, separator);
	for (i = 0; i < n; i++)
		room += strlen(st.first) + strlen(st.between) + strlen(tag[i]);
	if (!(out = malloc(room)))
		return NULL;
	memcpy(out, text, at);
	for (i = 0; i < n; i++)
		if (!has_tag(text + mark, tag[i], separator))
			at += (size_t)snprintf(out + at, room - at, "%s%s", added++ ? st.between : st.first, tag[i]);
	snprintf(out + at, room - at, "%s%s", rest, (added || !len) && !strchr(rest, '\n') ? st.end : "");
	return out;
}

/* No file has the tags of two pictures: not of two that this run tags, and one of an earlier run only if that is asked for. */
static int
check_owner(struct adds_sidecars *s, const char *path, const char *picture, enum adds_sidecar_clash clash, struct adds_error *err)
{
	const struct owner key = { .file = (char *)(uintptr_t)path };
	struct owner **in_tree = tfind(&key, &s->owners, by_file);
	const struct owner *o = in_tree ? *in_tree : NULL;

	if (o && o->picture && strcmp(o->picture, picture) && (o->now || (clash == ADDS_SIDECAR_KEEP && access(path, F_OK) == 0)))
		return adds_fail(
			err, ADDS_EMISMATCH,
			"'%s' is for the tags of '%s', and not for those of '%s' too: leave out --replace-ext%s",
			path, o->picture, picture,
			o->now ? "" : ", or use --append or --overwrite");
	return own(s, path, picture, 1) ? 0 : adds_fail(err, ADDS_ENOMEM, "out of memory for the ledger");
}

int
adds_sidecars_write(struct adds_sidecars *s, const char *path, const char *picture, const char *const *tag, size_t n,
                    const char *separator, enum adds_sidecar_clash clash, struct adds_error *err)
{
	char *before = NULL, *text = NULL, sha[65] = "";
	size_t len;
	int rc = 0;

	if ((rc = check_owner(s, path, picture, clash, err)) < 0)
		return rc;
	if (access(path, F_OK) == 0) {
		if (!(before = adds_read_file(path, MAX_SIDECAR, &len, err)))
			return err->code;
		if (strlen(before) != len) {
			rc = adds_fail(err, ADDS_EFORMAT, "'%s' is no text: it holds a zero byte", path);
			goto out;
		}
		adds_sha256_hex(sha, before, len);
	}
	if (!(text = append_tags(before && clash == ADDS_SIDECAR_APPEND ? before : "", tag, n, separator))) {
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory");
		goto out;
	}
	if (before && strcmp(before, text) == 0)
		goto out;
	if (before && clash == ADDS_SIDECAR_KEEP && !is_mine(s, path, sha)) {
		rc = adds_fail(err, ADDS_EMISMATCH, "'%s' is there already and not ours: use --append or --overwrite", path);
		goto out;
	}
	if ((rc = enter(s, path, picture, text, before, err)) == 0 && (rc = put_file(path, text, err)) == 0)
		rc = 1;
out:
	free(before);
	free(text);
	return rc;
}

struct undo {
	int64_t *undone, *changed;
};

static int
undo_one(void *ctx, const struct line *e, struct adds_error *err)
{
	const char *const path = e->path;
	struct undo *u = ctx;
	char *now, hex[65];
	size_t len;
	int same, former;

	if (access(path, F_OK) < 0)
		return 0;
	if (!(now = adds_read_file(path, MAX_SIDECAR, &len, err)))
		return err->code;
	adds_sha256_hex(hex, now, len);
	same = strcmp(hex, e->sha) == 0;
	former = e->before && strcmp(now, e->before) == 0; /* a run that was killed before it wrote */
	free(now);
	if (!same) {
		*u->changed += !former;
		return 0;
	}
	++*u->undone;
	if (e->before)
		return put_file(path, e->before, err);
	return unlink(path) < 0 ? adds_fail_errno(err, "cannot remove '%s'", path) : 0;
}

int
adds_sidecars_undo(const char *ledger, int64_t *undone, int64_t *changed, struct adds_error *err)
{
	struct undo u = { undone, changed };

	*undone = *changed = 0;
	return each_line(ledger, 1, undo_one, &u, err);
}
