/* SPDX-License-Identifier: MIT
 *
 * pieces.h - inside the room text/: the vocabularies of SigLIP and SigLIP 2, which are SentencePiece models
 * (github.com/google/sentencepiece): pieces with scores, unigram or byte-pair, and the normalisation that goes
 * before. Others use tokenizer.h.
 */
#ifndef ADDS_PIECES_H
#define ADDS_PIECES_H

#include "../stream/json.h"
#include "text.h"

/* as the file numbers them */
enum adds_piece_type {
	ADDS_PIECE_NORMAL = 1,
	ADDS_PIECE_UNKNOWN = 2,
	ADDS_PIECE_CONTROL = 3,
	ADDS_PIECE_USER = 4, /* stands in a text as it is, whatever its score */
	ADDS_PIECE_UNUSED = 5,
	ADDS_PIECE_BYTE = 6,
};

struct adds_piece {
	uint32_t at; /* its UTF-8 in adds_pieces.file */
	uint16_t len;
	uint8_t type;
	float score; /* log probability (unigram) or the negative rank of a merge */
};

/* A table of rules, longest match first: a double array (darts-clone), units of 4 bytes, little-endian. */
struct adds_charsmap {
	const unsigned char *units;
	size_t nunits;
	const char *out; /* what rules write, each with its NUL; the last byte is one */
	size_t nout;
};

struct adds_pieces {
	unsigned char *file; /* all bytes of the model */
	size_t size;
	struct adds_piece *piece;
	int n;
	int32_t *slot;                /* hash of what can stand in a text: normal, user's, unused; −1: empty */
	size_t slots;                 /* a power of two */
	size_t longest, longest_user; /* bytes */
	int byte_pair;                /* 1: merges; 0: unigram */
	int byte_fallback;            /* 1: what is unknown becomes bytes */
	int prefix, squeeze, suffix;  /* a space before the text; no two in a row; the space belongs to the word before it */
	int escape;                   /* spaces become U+2581 */
	int32_t byte[256];
	int32_t unknown, end, pad; /* pad −1: none */
	float least;               /* score of a normal piece */
	struct adds_charsmap map;  /* nunits 0: none */
};

/* Reads spiece.model, tokenizer.model or sentencepiece.model of the folder. vocab_size: rows of the token embedding,
 * which the pieces have to fill but for a rounding. NULL: *err says why. */
struct adds_pieces *adds_pieces_load(const char *folder, int vocab_size, struct adds_error *err);

/* The same from bytes, which become p's; name is for messages. */
struct adds_pieces *adds_pieces_parse(unsigned char *file, size_t size, const char *name, struct adds_error *err);
void adds_pieces_free(struct adds_pieces *p);

/* The piece of these bytes that can stand in a text, or −1. */
int32_t adds_pieces_find(const struct adds_pieces *p, const char *s, size_t n);

/* The hash of bytes one by one, which begins as ADDS_PIECES_HASH, for those who look up every prefix. */
#define ADDS_PIECES_HASH 2166136261u
static inline uint32_t
adds_pieces_hash(uint32_t h, char c)
{
	return (h ^ (unsigned char)c) * 16777619u;
}
int32_t adds_pieces_find_hashed(const struct adds_pieces *p, const char *s, size_t n, uint32_t h);

/* A number of four bytes of the file, the least first. */
static inline uint32_t
adds_pieces_word(const unsigned char *s)
{
	return s[0] | (uint32_t)s[1] << 8 | (uint32_t)s[2] << 16 | (uint32_t)s[3] << 24;
}

/* Bytes of the character at s, n ≥ 1 being left, as SentencePiece steps through what may be no UTF-8. */
size_t adds_pieces_step(const char *s, size_t n);

/* Bytes of the longest user's piece at s; 0: none. */
size_t adds_pieces_user(const struct adds_pieces *p, const char *s, size_t n);

/* Appends UTF-8 text, normalised. */
void adds_pieces_normalise(const struct adds_pieces *p, struct adds_buf *out, const char *text, size_t n);

/* Appends the ids of normalised text, without those of begin and end. -1: out of memory. */
int adds_pieces_encode(const struct adds_pieces *p, struct adds_codepoints *ids, const char *text, size_t n);

#endif
