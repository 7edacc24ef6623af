/* SPDX-License-Identifier: MIT
 * pieces_file.c - a SentencePiece model from its file, a message of protocol buffers (sentencepiece_model.proto) */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../stream/record.h"
#include "pieces.h"

enum {
	FILE_MAX = 64 << 20,
	PIECES_MAX = 1 << 20,
	PIECE_MAX = 1024, /* bytes of one; the longest known have 93 */
	RULE_MAX = 64,    /* bytes that a rule may write; NFKC has 33 at most */
	ROUNDING = 128,   /* rows of an embedding that no piece has */
	PATH_SIZE = 4096,
};

/* fields of the messages, by their numbers */
enum { MODEL_PIECE = 1,
       MODEL_TRAINER = 2,
       MODEL_NORMALISER = 3 };
enum { PIECE_TEXT = 1,
       PIECE_SCORE = 2,
       PIECE_TYPE = 3 };
enum { TRAINER_KIND = 3,
       TRAINER_SUFFIX = 24,
       TRAINER_FALLBACK = 35,
       TRAINER_END = 47,
       TRAINER_PAD = 48 };
enum { NORMALISER_MAP = 2,
       NORMALISER_PREFIX = 3,
       NORMALISER_SQUEEZE = 4,
       NORMALISER_ESCAPE = 5 };
enum { KIND_UNIGRAM = 1,
       KIND_BYTE_PAIR = 2 };

/* a message, or a part of one, as far as it has been read */
struct wire {
	const unsigned char *start, *p, *end;
	const char *name;
	struct adds_error *err;
};

/* a field: a number (varint, or fixed32's bits), or bytes */
struct field {
	uint64_t number;
	uint64_t value;
	const unsigned char *bytes;
	size_t n;
	int is_bytes;
};

static int
bad(const struct wire *w, const char *what)
{
	return adds_fail(w->err, ADDS_EFORMAT, "'%s' byte %zu: %s: this is no SentencePiece model", w->name,
	                 (size_t)(w->p - w->start), what);
}

static int
varint(struct wire *w, uint64_t *x)
{
	int shift;

	*x = 0;
	for (shift = 0; shift < 64 && w->p < w->end; shift += 7) {
		*x |= (uint64_t)(*w->p & 0x7f) << shift;
		if (!(*w->p++ & 0x80))
			return 0;
	}
	return bad(w, "a number without end");
}

static int
fixed(struct wire *w, struct field *f, size_t n)
{
	size_t i;

	if ((size_t)(w->end - w->p) < n)
		return bad(w, "the file ends within a number");
	f->value = 0;
	for (i = 0; i < n; i++)
		f->value |= (uint64_t)w->p[i] << (8 * i);
	w->p += n;
	return 0;
}

/* the next field: 1, 0 at the end */
static int
next(struct wire *w, struct field *f)
{
	uint64_t key, n;
	int rc;

	memset(f, 0, sizeof(*f));
	if (w->p == w->end)
		return 0;
	if ((rc = varint(w, &key)) < 0)
		return rc;
	f->number = key >> 3;
	switch (key & 7) {
	case 0:
		rc = varint(w, &f->value);
		break;
	case 1:
		rc = fixed(w, f, 8);
		break;
	case 2:
		if ((rc = varint(w, &n)) < 0)
			break;
		if (n > (size_t)(w->end - w->p))
			return bad(w, "more bytes are announced than there are");
		f->is_bytes = 1;
		f->bytes = w->p;
		f->n = (size_t)n;
		w->p += n;
		break;
	case 5:
		rc = fixed(w, f, 4);
		break;
	default:
		rc = bad(w, "a field of an unknown kind");
	}
	return rc < 0 ? rc : 1;
}

static struct wire
inside(const struct wire *w, const struct field *f)
{
	return (struct wire){ w->start, f->bytes, f->bytes + f->n, w->name, w->err };
}

/* ---- parts ---- */

static int
read_piece(struct adds_pieces *p, const struct wire *model, const struct field *field)
{
	struct wire w = inside(model, field);
	struct adds_piece *piece = &p->piece[p->n];
	struct field f;
	uint32_t bits;
	int rc;

	*piece = (struct adds_piece){ .type = ADDS_PIECE_NORMAL };
	while ((rc = next(&w, &f)) > 0) {
		if (f.number == PIECE_TEXT && f.is_bytes) {
			if (f.n > PIECE_MAX)
				return adds_fail(w.err, ADDS_ELIMIT, "'%s': piece %d has more than %d bytes", w.name, p->n,
				                 PIECE_MAX);
			piece->at = (uint32_t)(f.bytes - p->file);
			piece->len = (uint16_t)f.n;
		} else if (f.number == PIECE_SCORE) {
			bits = (uint32_t)f.value;
			memcpy(&piece->score, &bits, sizeof(bits));
		} else if (f.number == PIECE_TYPE) {
			if (f.value < ADDS_PIECE_NORMAL || f.value > ADDS_PIECE_BYTE)
				return bad(&w, "a piece of an unknown type");
			piece->type = (uint8_t)f.value;
		}
	}
	if (rc < 0)
		return rc;
	if (!piece->len)
		return bad(&w, "an empty piece");
	if (!isfinite(piece->score))
		return bad(&w, "a piece whose score is not finite");
	p->n++;
	return 0;
}

/* the spellings of the special pieces */
struct names {
	const char *end, *pad;
	size_t nend, npad;
};

static int
read_trainer(struct adds_pieces *p, struct names *names, const struct wire *model, const struct field *field)
{
	struct wire w = inside(model, field);
	struct field f;
	int rc;

	while ((rc = next(&w, &f)) > 0) {
		if (f.number == TRAINER_KIND && f.value != KIND_UNIGRAM && f.value != KIND_BYTE_PAIR)
			return adds_fail(w.err, ADDS_EFORMAT, "'%s' is a model of words or characters: unigram and byte-pair are read",
			                 w.name);
		if (f.number == TRAINER_KIND)
			p->byte_pair = f.value == KIND_BYTE_PAIR;
		else if (f.number == TRAINER_SUFFIX)
			p->suffix = f.value != 0;
		else if (f.number == TRAINER_FALLBACK)
			p->byte_fallback = f.value != 0;
		else if (f.number == TRAINER_END && f.is_bytes)
			names->end = (const char *)f.bytes, names->nend = f.n;
		else if (f.number == TRAINER_PAD && f.is_bytes)
			names->pad = (const char *)f.bytes, names->npad = f.n;
	}
	return rc;
}

/* no rule writes more than a few bytes */
static int
short_rules(const struct adds_charsmap *m)
{
	size_t i, len;

	for (i = 0; i < m->nout; i += len + 1)
		if ((len = strlen(m->out + i)) > RULE_MAX)
			return 0;
	return 1;
}

/* a table: the bytes of its double array, the array, what is written */
static int
read_map(struct adds_charsmap *m, const struct wire *w, const struct field *f)
{
	size_t size;

	*m = (struct adds_charsmap){ 0 };
	if (f->n == 0)
		return 0;
	if (f->n < 8)
		return bad(w, "a table of rules that ends early");
	size = adds_pieces_word(f->bytes);
	if (size < 4 || size % 4 || size >= f->n - 4 || f->bytes[f->n - 1] != '\0')
		return bad(w, "a table of rules that does not fit its bytes");
	m->units = f->bytes + 4;
	m->nunits = size / 4;
	m->out = (const char *)f->bytes + 4 + size;
	m->nout = f->n - 4 - size;
	return short_rules(m) ? 0 : adds_fail(w->err, ADDS_ELIMIT, "'%s': a rule writes more than %d bytes", w->name, RULE_MAX);
}

static int
read_normaliser(struct adds_pieces *p, const struct wire *model, const struct field *field)
{
	struct wire w = inside(model, field);
	struct field f;
	int rc;

	while ((rc = next(&w, &f)) > 0) {
		if (f.number == NORMALISER_MAP && f.is_bytes && (rc = read_map(&p->map, &w, &f)) < 0)
			return rc;
		if (f.number == NORMALISER_PREFIX)
			p->prefix = f.value != 0;
		else if (f.number == NORMALISER_SQUEEZE)
			p->squeeze = f.value != 0;
		else if (f.number == NORMALISER_ESCAPE)
			p->escape = f.value != 0;
	}
	return rc;
}

/* how many pieces the model has, for an array of that size */
static int
count(const struct wire *model, size_t *n)
{
	struct wire w = *model;
	struct field f;
	int rc;

	*n = 0;
	while ((rc = next(&w, &f)) > 0)
		*n += f.number == MODEL_PIECE && f.is_bytes;
	if (rc < 0)
		return rc;
	if (*n == 0)
		return bad(&w, "no pieces");
	return *n <= PIECES_MAX ? 0 : adds_fail(w.err, ADDS_ELIMIT, "'%s': more than %d pieces", w.name, PIECES_MAX);
}

static int
read_model(struct adds_pieces *p, struct names *names, struct wire *w)
{
	struct field f;
	size_t n;
	int rc;

	if ((rc = count(w, &n)) < 0)
		return rc;
	if (!(p->piece = calloc(n, sizeof(*p->piece))))
		return adds_fail(w->err, ADDS_ENOMEM, "'%s': out of memory", w->name);
	while ((rc = next(w, &f)) > 0) {
		if (!f.is_bytes)
			continue;
		if ((f.number == MODEL_PIECE && (rc = read_piece(p, w, &f)) < 0) ||
		    (f.number == MODEL_TRAINER && (rc = read_trainer(p, names, w, &f)) < 0) ||
		    (f.number == MODEL_NORMALISER && (rc = read_normaliser(p, w, &f)) < 0))
			return rc;
	}
	return rc;
}

/* ---- looking up ---- */

static const char *
text_of(const struct adds_pieces *p, int32_t i)
{
	return (const char *)p->file + p->piece[i].at;
}

static int
stands_in_text(const struct adds_piece *piece)
{
	return piece->type == ADDS_PIECE_NORMAL || piece->type == ADDS_PIECE_USER || piece->type == ADDS_PIECE_UNUSED;
}

static uint32_t
hash(const char *s, size_t n)
{
	uint32_t h = ADDS_PIECES_HASH;
	size_t i;

	for (i = 0; i < n; i++)
		h = adds_pieces_hash(h, s[i]);
	return h;
}

static int
is(const struct adds_pieces *p, int32_t i, const char *s, size_t n)
{
	return p->piece[i].len == n && memcmp(text_of(p, i), s, n) == 0;
}

/* where these bytes are, or would be */
static size_t
slot_of(const struct adds_pieces *p, const char *s, size_t n, uint32_t h)
{
	size_t at = (h ^ h >> 15) & (p->slots - 1);

	while (p->slot[at] >= 0 && !is(p, p->slot[at], s, n))
		at = (at + 1) & (p->slots - 1);
	return at;
}

int32_t
adds_pieces_find_hashed(const struct adds_pieces *p, const char *s, size_t n, uint32_t h)
{
	return p->slot[slot_of(p, s, n, h)];
}

int32_t
adds_pieces_find(const struct adds_pieces *p, const char *s, size_t n)
{
	return adds_pieces_find_hashed(p, s, n, hash(s, n));
}

static void
note_length(struct adds_pieces *p, const struct adds_piece *piece)
{
	if (piece->len > p->longest)
		p->longest = piece->len;
	if (piece->type == ADDS_PIECE_USER && piece->len > p->longest_user)
		p->longest_user = piece->len;
}

static int
fill_slots(struct adds_pieces *p, const char *name, struct adds_error *err)
{
	size_t at;
	int32_t i;

	for (p->slots = 16; p->slots < 2 * (size_t)p->n; p->slots *= 2)
		continue;
	if (!(p->slot = malloc(p->slots * sizeof(*p->slot))))
		return adds_fail(err, ADDS_ENOMEM, "'%s': out of memory", name);
	memset(p->slot, 0xff, p->slots * sizeof(*p->slot));
	for (i = 0; i < p->n; i++) {
		if (!stands_in_text(&p->piece[i]))
			continue;
		at = slot_of(p, text_of(p, i), p->piece[i].len, hash(text_of(p, i), p->piece[i].len));
		if (p->slot[at] >= 0)
			return adds_fail(err, ADDS_EFORMAT, "'%s': pieces %d and %d are the same", name, (int)p->slot[at],
			                 (int)i);
		p->slot[at] = i;
		note_length(p, &p->piece[i]);
	}
	return 0;
}

/* ---- special pieces ---- */

/* a piece "<0x41>": its byte; −1: none */
static int
byte_of(const struct adds_pieces *p, int32_t i)
{
	static const char digits[] = "0123456789ABCDEF";
	const char *s = text_of(p, i), *high, *low;

	if (p->piece[i].len != 6 || memcmp(s, "<0x", 3) != 0 || s[5] != '>')
		return -1;
	high = memchr(digits, s[3], 16);
	low = memchr(digits, s[4], 16);
	return high && low ? (int)(16 * (high - digits) + (low - digits)) : -1;
}

static int
find_specials(struct adds_pieces *p, const struct names *names, const char *name, struct adds_error *err)
{
	int32_t i;
	int b, bytes = 0;

	p->unknown = p->end = p->pad = -1;
	p->least = FLT_MAX;
	memset(p->byte, 0xff, sizeof(p->byte));
	for (i = 0; i < p->n; i++) {
		const struct adds_piece *piece = &p->piece[i];

		if (piece->type == ADDS_PIECE_NORMAL) {
			p->least = piece->score < p->least ? piece->score : p->least;
		} else if (piece->type == ADDS_PIECE_UNKNOWN) {
			p->unknown = i;
		} else if (piece->type == ADDS_PIECE_CONTROL) {
			p->end = is(p, i, names->end, names->nend) ? i : p->end;
			p->pad = is(p, i, names->pad, names->npad) ? i : p->pad;
		} else if (piece->type == ADDS_PIECE_BYTE && (b = byte_of(p, i)) >= 0) {
			bytes += p->byte[b] < 0;
			p->byte[b] = i;
		}
	}
	if (p->byte_pair && p->pad < 0)
		return adds_fail(err, ADDS_EFORMAT, "'%s' has no piece for padding", name);
	if (p->unknown < 0 || p->end < 0)
		return adds_fail(err, ADDS_EFORMAT, "'%s' has no piece for %s", name,
		                 p->unknown < 0 ? "what is unknown" : "the end of a text");
	if (p->byte_fallback && bytes < 256)
		return adds_fail(err, ADDS_EFORMAT, "'%s' has pieces for %d bytes, not for 256", name, bytes);
	return 0;
}

struct adds_pieces *
adds_pieces_parse(unsigned char *file, size_t size, const char *name, struct adds_error *err)
{
	struct adds_pieces *p = calloc(1, sizeof(*p));
	struct names names = { "</s>", "<pad>", 4, 5 };
	struct wire w = { file, file, file + size, name, err };

	if (!p) {
		free(file);
		adds_fail(err, ADDS_ENOMEM, "'%s': out of memory", name);
		return NULL;
	}
	p->file = file;
	p->size = size;
	p->prefix = p->squeeze = p->escape = 1;
	if (read_model(p, &names, &w) < 0 || fill_slots(p, name, err) < 0 || find_specials(p, &names, name, err) < 0) {
		adds_pieces_free(p);
		return NULL;
	}
	return p;
}

void
adds_pieces_free(struct adds_pieces *p)
{
	if (!p)
		return;
	free(p->piece);
	free(p->slot);
	free(p->file);
	free(p);
}

/* ---- the folder ---- */

static struct adds_pieces *
load_file(const char *path, int vocab_size, struct adds_error *err)
{
	struct adds_pieces *p;
	size_t size;
	char *file = adds_read_file(path, FILE_MAX, &size, err);

	if (!file || !(p = adds_pieces_parse((unsigned char *)file, size, path, err)))
		return NULL;
	if (p->n <= vocab_size && vocab_size - p->n < ROUNDING)
		return p;
	adds_fail(err, ADDS_EFORMAT, "'%s' has %d pieces, the model's token embedding %d rows: it belongs to another model", path,
	          p->n, vocab_size);
	adds_pieces_free(p);
	return NULL;
}

struct adds_pieces *
adds_pieces_load(const char *folder, int vocab_size, struct adds_error *err)
{
	static const char *const names[] = { "spiece.model", "tokenizer.model", "sentencepiece.model" };
	char path[PATH_SIZE];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		if (access(path, F_OK) == 0)
			return load_file(path, vocab_size, err);
	}
	adds_fail(err, ADDS_EIO,
	          "'%s' has no SentencePiece model: put spiece.model (of a SigLIP) or tokenizer.model (of a SigLIP 2), as "
	          "Google's repositories of these models have them, beside the weights; tokenizer.json is not read for them",
	          folder);
	return NULL;
}
