/* SPDX-License-Identifier: MIT
 * vocabulary.c - the published forms of CLIP's vocabulary: OpenAI's merge list,
 * Hugging Face's merges.txt with vocab.json, and tokenizer.json */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "text.h"

#ifndef ADDS_DATADIR
#define ADDS_DATADIR "/usr/local/share/adds"
#endif
#ifndef ADDS_SOURCE_DATADIR
#define ADDS_SOURCE_DATADIR ADDS_DATADIR
#endif

enum {
	CLIP_SIZE = 49408,
	SYMBOLS_WITHOUT_MERGE = 514, /* 512 of bytes, and the two special tokens */
	LARGEST = 1 << 20,           /* of a vocabulary */
	FILE_MAX = 64 << 20,
	TOKEN_MAX = 4096,
	PATH_SIZE = 4096,
};

static const char merge_list[] = "bpe_simple_vocab_16e6.txt.gz";

/* ---- files ---- */

/* reads on until the buffer is full: 1, or the end or the wanted lines are there: 0 */
static int
fill(gzFile f, char *s, size_t size, size_t lines, size_t *len, size_t *seen)
{
	int n;

	while (*len + 1 < size) {
		const size_t room = size - *len - 1, chunk = room < 65536 ? room : 65536;

		if ((n = gzread(f, s + *len, (unsigned)chunk)) < 0)
			return -1;
		if (n == 0)
			return 0;
		for (; n > 0; n--)
			*seen += s[(*len)++] == '\n';
		if (lines && *seen >= lines)
			return 0;
	}
	return 1;
}

static char *
read_open(gzFile f, const char *path, size_t limit, size_t lines, size_t *len, struct adds_error *err)
{
	char *s = NULL, *more;
	size_t size = 0, seen = 0;
	int rc, reason;

	*len = 0;
	do {
		size = size ? 2 * size : 1 << 20;
		if (size > 2 * limit) {
			adds_fail(err, ADDS_ELIMIT, "'%s': more than %zu bytes", path, limit);
			goto bad;
		}
		if (!(more = realloc(s, size))) {
			adds_fail(err, ADDS_ENOMEM, "'%s': out of memory", path);
			goto bad;
		}
		s = more;
	} while ((rc = fill(f, s, size, lines, len, &seen)) > 0);
	if (rc < 0) {
		adds_fail(err, ADDS_EFORMAT, "cannot read '%s': %s", path, gzerror(f, &reason));
		goto bad;
	}
	s[*len] = '\0';
	return s;
bad:
	free(s);
	return NULL;
}

char *
adds_read_text(const char *path, size_t limit, size_t lines, size_t *len, int *absent, struct adds_error *err)
{
	gzFile f;
	char *s;

	errno = 0;
	f = gzopen(path, "rb");
	*absent = !f && (errno == ENOENT || errno == ENOTDIR);
	if (!f) {
		adds_fail_errno(err, "cannot open '%s'", path);
		return NULL;
	}
	gzbuffer(f, 1 << 17);
	s = read_open(f, path, limit, lines, len, err);
	gzclose_r(f);
	return s;
}

/* ---- merges ---- */

static size_t
most_merges(int vocab_size)
{
	return (size_t)vocab_size - SYMBOLS_WITHOUT_MERGE;
}

/* one line "left right" */
static int
merge_line(struct adds_bpe *b, const char *line, size_t len, const char *name, size_t number, struct adds_error *err)
{
	const char *gap = memchr(line, ' ', len);
	const size_t left = gap ? (size_t)(gap - line) : 0;
	int rc = -1;

	if (gap && !memchr(gap + 1, ' ', len - left - 1))
		rc = adds_bpe_merge(b, line, left, gap + 1, len - left - 1);
	if (rc == -2)
		return adds_fail(err, ADDS_ENOMEM, "'%s': out of memory", name);
	if (rc < 0)
		return adds_fail(err, ADDS_EFORMAT, "'%s': line %zu is no merge of two byte-level symbols", name, number);
	return 0;
}

/* all merges of a list; its first line is a heading with "#version" */
static int
merge_lines(struct adds_bpe *b, const char *text, size_t len, size_t most, const char *name, struct adds_error *err)
{
	const char *p = text, *end = text + len;
	size_t number = 0, n;
	int rc;

	while (p < end && adds_bpe_merges(b) < most) {
		const char *stop = memchr(p, '\n', (size_t)(end - p));

		n = (size_t)((stop ? stop : end) - p);
		number++;
		if (n && p[n - 1] == '\r')
			n--;
		if (n && !(number == 1 && strstr(p, "#version") && strstr(p, "#version") < p + n) &&
		    (rc = merge_line(b, p, n, name, number, err)) < 0)
			return rc;
		if (!stop)
			break;
		p = stop + 1;
	}
	return adds_bpe_merges(b) ? 0 : adds_fail(err, ADDS_EFORMAT, "'%s' has no merges", name);
}

static int
new_bpe(struct adds_vocabulary *v, int vocab_size, struct adds_error *err)
{
	if (!(v->bpe = adds_bpe_new(most_merges(vocab_size))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for a vocabulary of %d", vocab_size);
	v->bos = vocab_size - 2;
	v->eot = vocab_size - 1;
	return 0;
}

/* 1: loaded; 0: no such file */
static int
load_merge_list(struct adds_vocabulary *v, const char *path, int vocab_size, struct adds_error *err)
{
	size_t len;
	int absent, rc;
	char *text = adds_read_text(path, FILE_MAX, most_merges(vocab_size) + 1, &len, &absent, err);

	if (!text)
		return absent ? 0 : err ? err->code
		                        : ADDS_EIO;
	if ((rc = new_bpe(v, vocab_size, err)) == 0)
		rc = merge_lines(v->bpe, text, len, most_merges(vocab_size), path, err);
	free(text);
	return rc < 0 ? rc : 1;
}

/* ---- numbers of tokens ---- */

static int
take_id(struct adds_vocabulary *v, const char *token, size_t len, int64_t id)
{
	if (strcmp(token, "<|startoftext|>") == 0 || strcmp(token, "<start_of_text>") == 0)
		v->bos = (int)id;
	else if (strcmp(token, "<|endoftext|>") == 0 || strcmp(token, "<end_of_text>") == 0)
		v->eot = (int)id;
	else
		return adds_bpe_set_id(v->bpe, token, len, (int32_t)id);
	return 1;
}

/* an object of token: id */
static int
scan_ids(struct adds_scan *s, struct adds_vocabulary *v, int vocab_size)
{
	char token[TOKEN_MAX];
	size_t len;
	int64_t id;
	int rc, first = 1;

	adds_bpe_forget_ids(v->bpe);
	for (; (rc = adds_scan_member(s, first, token, sizeof(token), &len)) > 0; first = 0) {
		if ((rc = adds_scan_int(s, &id)) < 0)
			return rc;
		if (id >= vocab_size)
			return adds_fail(
				s->err, ADDS_EMISMATCH,
				"'%s': token '%s' has the number %lld, but the model knows %d tokens",
				s->name, token, (long long)id, vocab_size);
		take_id(v, token, len, id);
	}
	return rc;
}

static int
check_ids(const struct adds_vocabulary *v, const char *name, struct adds_error *err)
{
	char token[TOKEN_MAX];
	const int32_t lacking = adds_bpe_without_id(v->bpe);

	if (lacking < 0)
		return 0;
	adds_bpe_spelling(v->bpe, lacking, token, sizeof(token));
	return adds_fail(
		err, ADDS_EFORMAT,
		"'%s' has no number for the token '%s': it is not CLIP's kind of vocabulary, or it belongs to other merges",
		name, token);
}

static int
load_ids(struct adds_vocabulary *v, const char *path, int vocab_size, struct adds_error *err)
{
	struct adds_scan s = { .name = path, .err = err };
	size_t len;
	int absent, rc;
	char *text = adds_read_text(path, FILE_MAX, 0, &len, &absent, err);

	if (!text)
		return absent ? 0 : err ? err->code
		                        : ADDS_EIO;
	s.start = s.p = text;
	s.end = text + len;
	if ((rc = scan_ids(&s, v, vocab_size)) == 0)
		rc = check_ids(v, path, err);
	free(text);
	return rc;
}

/* ---- tokenizer.json ---- */

/* where the parts of the file stand; NULL: not there */
struct parts {
	const char *vocab, *merges, *added;
	char type[32], suffix[32];
};

static int
scan_model(struct adds_scan *s, struct parts *parts)
{
	char key[TOKEN_MAX];
	size_t len;
	int rc, first = 1;

	for (; (rc = adds_scan_member(s, first, key, sizeof(key), &len)) > 0; first = 0) {
		if (strcmp(key, "vocab") == 0)
			parts->vocab = s->p;
		else if (strcmp(key, "merges") == 0)
			parts->merges = s->p;
		if (s->p < s->end && *s->p == '"' && strcmp(key, "type") == 0)
			rc = adds_scan_string(s, parts->type, sizeof(parts->type), &len);
		else if (s->p < s->end && *s->p == '"' && strcmp(key, "end_of_word_suffix") == 0)
			rc = adds_scan_string(s, parts->suffix, sizeof(parts->suffix), &len);
		else
			rc = adds_scan_skip(s);
		if (rc < 0)
			return rc;
	}
	return rc;
}

static int
scan_parts(struct adds_scan *s, struct parts *parts)
{
	char key[TOKEN_MAX];
	size_t len;
	int rc, first = 1;

	for (; (rc = adds_scan_member(s, first, key, sizeof(key), &len)) > 0; first = 0) {
		if (strcmp(key, "added_tokens") == 0)
			parts->added = s->p;
		rc = strcmp(key, "model") == 0 ? scan_model(s, parts) : adds_scan_skip(s);
		if (rc < 0)
			return rc;
	}
	if (rc < 0)
		return rc;
	if (strcmp(parts->type, "BPE") != 0 || strcmp(parts->suffix, "</w>") != 0 || !parts->vocab || !parts->merges)
		return adds_fail(
			s->err, ADDS_EFORMAT,
			"'%s' is not CLIP's kind of tokenizer: its model is '%s' with the word ending '%s'",
			s->name, parts->type, parts->suffix);
	return 0;
}

/* one merge: "a b" or ["a", "b"] */
static int
scan_merge(struct adds_scan *s, struct adds_bpe *b)
{
	char left[TOKEN_MAX], right[TOKEN_MAX];
	size_t n, m;
	const char *from = s->p;
	int rc;

	if (s->p < s->end && *s->p == '"') {
		if ((rc = adds_scan_string(s, left, sizeof(left), &n)) < 0)
			return rc;
		return merge_line(b, left, n, s->name, adds_bpe_merges(b) + 1, s->err);
	}
	if ((rc = adds_scan_element(s, 1)) < 0 || (rc = adds_scan_string(s, left, sizeof(left), &n)) < 0 ||
	    (rc = adds_scan_expect(s, ',')) < 0 || (rc = adds_scan_string(s, right, sizeof(right), &m)) < 0 ||
	    (rc = adds_scan_expect(s, ']')) < 0)
		return rc;
	if ((rc = adds_bpe_merge(b, left, n, right, m)) == 0)
		return 0;
	s->p = from;
	return rc == -2 ? adds_fail(s->err, ADDS_ENOMEM, "'%s': out of memory", s->name)
	                : adds_scan_bad(s, "no merge of two byte-level symbols");
}

static int
scan_merges(struct adds_scan *s, struct adds_bpe *b, size_t most)
{
	int rc, first = 1;

	for (; adds_bpe_merges(b) < most && (rc = adds_scan_element(s, first)) != 0; first = 0)
		if (rc < 0 || (rc = scan_merge(s, b)) < 0)
			return rc;
	return 0;
}

/* an array of {"id": …, "content": …, …} */
static int
scan_added(struct adds_scan *s, struct adds_vocabulary *v, int vocab_size)
{
	char key[TOKEN_MAX], content[TOKEN_MAX];
	size_t len, n;
	int64_t id;
	int rc, first = 1, inner;

	for (; (rc = adds_scan_element(s, first)) > 0; first = 0) {
		id = -1;
		n = 0;
		content[0] = '\0';
		for (inner = 1; (rc = adds_scan_member(s, inner, key, sizeof(key), &len)) > 0; inner = 0) {
			if (strcmp(key, "id") == 0)
				rc = adds_scan_int(s, &id);
			else if (strcmp(key, "content") == 0)
				rc = adds_scan_string(s, content, sizeof(content), &n);
			else
				rc = adds_scan_skip(s);
			if (rc < 0)
				return rc;
		}
		if (rc < 0)
			return rc;
		if (id >= 0 && id < vocab_size)
			take_id(v, content, n, id);
	}
	return rc;
}

static int
load_parts(struct adds_vocabulary *v, struct adds_scan *s, int vocab_size)
{
	struct parts parts = { 0 };
	int rc;

	if ((rc = scan_parts(s, &parts)) < 0 || (rc = new_bpe(v, vocab_size, s->err)) < 0)
		return rc;
	s->p = parts.merges;
	if ((rc = scan_merges(s, v->bpe, most_merges(vocab_size))) < 0)
		return rc;
	s->p = parts.vocab;
	if ((rc = scan_ids(s, v, vocab_size)) < 0)
		return rc;
	if (parts.added) {
		s->p = parts.added;
		if ((rc = scan_added(s, v, vocab_size)) < 0)
			return rc;
	}
	return check_ids(v, s->name, s->err);
}

static int
load_tokenizer_json(struct adds_vocabulary *v, const char *path, int vocab_size, struct adds_error *err)
{
	struct adds_scan s = { .name = path, .err = err };
	size_t len;
	int absent, rc;
	char *text = adds_read_text(path, FILE_MAX, 0, &len, &absent, err);

	if (!text)
		return absent ? 0 : err ? err->code
		                        : ADDS_EIO;
	s.start = s.p = text;
	s.end = text + len;
	rc = load_parts(v, &s, vocab_size);
	free(text);
	return rc < 0 ? rc : 1;
}

/* ---- which form ---- */

static const char *
in_folder(char path[PATH_SIZE], const char *folder, const char *name)
{
	snprintf(path, PATH_SIZE, "%s/%s", folder, name);
	return path;
}

static int
load_pair(struct adds_vocabulary *v, const char *folder, int vocab_size, struct adds_error *err)
{
	char path[PATH_SIZE];
	int rc = load_merge_list(v, in_folder(path, folder, "merges.txt"), vocab_size, err);

	if (rc <= 0)
		return rc;
	rc = load_ids(v, in_folder(path, folder, "vocab.json"), vocab_size, err);
	return rc < 0 ? rc : 1;
}

static int
load_folder(struct adds_vocabulary *v, const char *folder, int vocab_size, struct adds_error *err)
{
	char path[PATH_SIZE];
	int rc;

	if ((rc = load_merge_list(v, in_folder(path, folder, merge_list), vocab_size, err)) != 0)
		return rc;
	if ((rc = load_pair(v, folder, vocab_size, err)) != 0)
		return rc;
	return load_tokenizer_json(v, in_folder(path, folder, "tokenizer.json"), vocab_size, err);
}

/* CLIP's own merge list: where $ADDS_DATADIR says, else as installed, else in the source */
static int
load_own(struct adds_vocabulary *v, struct adds_error *err)
{
	char path[PATH_SIZE];
	const char *dir = getenv("ADDS_DATADIR");
	int rc;

	if (dir && *dir)
		return load_merge_list(v, in_folder(path, dir, merge_list), CLIP_SIZE, err);
	if ((rc = load_merge_list(v, in_folder(path, ADDS_DATADIR, merge_list), CLIP_SIZE, err)) != 0)
		return rc;
	return load_merge_list(v, in_folder(path, ADDS_SOURCE_DATADIR, merge_list), CLIP_SIZE, err);
}

int
adds_vocabulary_load(struct adds_vocabulary *v, const char *folder, int vocab_size, struct adds_error *err)
{
	int rc;

	*v = (struct adds_vocabulary){ 0 };
	if (vocab_size <= SYMBOLS_WITHOUT_MERGE || vocab_size > LARGEST)
		return adds_fail(err, ADDS_EARG, "a vocabulary of %d tokens is not CLIP's byte-pair kind", vocab_size);
	rc = folder ? load_folder(v, folder, vocab_size, err) : 0;
	if (rc == 0 && vocab_size == CLIP_SIZE)
		rc = load_own(v, err);
	if (rc == 0)
		rc = adds_fail(
			err, ADDS_EIO,
			"'%s' has no vocabulary: put %s, or vocab.json and merges.txt, or tokenizer.json beside the weights",
			folder ? folder : "", merge_list);
	if (rc < 0) {
		adds_bpe_free(v->bpe);
		v->bpe = NULL;
		return rc;
	}
	return 0;
}
