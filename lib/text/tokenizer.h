/* SPDX-License-Identifier: MIT
 *
 * tokenizer.h - a prompt to the token ids of CLIP (as OpenAI and OpenCLIP have them) or of SigLIP: cleaning,
 * splitting, byte-pair encoding, or SentencePiece.
 *
 * Knows: stream/ (JSON). Room text/.
 */
#ifndef ADDS_TOKENIZER_H
#define ADDS_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

#include "../fail.h"

struct adds_tokenizer;

enum adds_specials {
	ADDS_SPECIALS_OPENAI,   /* <|startoftext|> <|endoftext|> in a text are tokens */
	ADDS_SPECIALS_OPENCLIP, /* <start_of_text> <end_of_text> are */
	ADDS_SPECIALS_PLAIN,    /* neither */
};

/* What a text loses before it is cut. Before that it is always cleaned as ftfy does it without its guesses at wrongly
 * decoded text (mojibake), and HTML entities are resolved twice. */
enum adds_cleaning {
	ADDS_CLEAN_BY_KIND,   /* of a SentencePiece model: unigram (SigLIP) canonical, byte-pair (SigLIP 2) lower */
	ADDS_CLEAN_SPACE,     /* white space is collapsed */
	ADDS_CLEAN_LOWER,     /* and capitals become small */
	ADDS_CLEAN_CANONICAL, /* and '_' is a space, ASCII's other punctuation nothing */
};

/* folder: where to look for bpe_simple_vocab_16e6.txt.gz, vocab.json +
 * merges.txt, tokenizer.json, in this order of preference: tokenizer.json last;
 * if it has none and vocab_size is 49,408, CLIP's own file from the data
 * folder ($ADDS_DATADIR, the installed one, or the source tree's).
 * vocab_size: rows of the token embedding. */
struct adds_tokenizer *adds_tokenizer_open(const char *folder, int vocab_size, enum adds_specials specials,
                                           struct adds_error *err);

/* That of a SigLIP, or SigLIP 2. folder: where to look for spiece.model, tokenizer.model, sentencepiece.model. No
 * special token can stand in a text. */
struct adds_tokenizer *adds_tokenizer_open_sentencepiece(const char *folder, int vocab_size, enum adds_cleaning cleaning,
                                                         struct adds_error *err);
void adds_tokenizer_free(struct adds_tokenizer *t);

int adds_tokenizer_bos(const struct adds_tokenizer *t); /* -1: none */
int adds_tokenizer_eot(const struct adds_tokenizer *t);
enum adds_cleaning adds_tokenizer_cleaning(const struct adds_tokenizer *t);

/* SHA-256 of a SentencePiece model's file, in hexadecimal; "" for CLIP's kind. */
void adds_tokenizer_digest(const struct adds_tokenizer *t, char hex[65]);

/* BOS if there is one, the ids of the UTF-8 text, EOT, at most context ids (EOT then overwrites
 * the last one and *truncated, which may be NULL, becomes 1); a SigLIP, whose padding takes part, gets context
 * ids in any case: filled up with EOT (unigram: SigLIP), or with the vocabulary's padding (byte-pair: SigLIP 2).
 * Returns the number of ids. */
int adds_tokenizer_encode(const struct adds_tokenizer *t, const char *text, size_t len, int32_t *ids, int context,
                          int *truncated, struct adds_error *err);

/* The text cleaned as CLIP's are (ADDS_CLEAN_LOWER). The caller frees it. At most 16 KiB go in. */
char *adds_text_clean(const char *text, size_t len, struct adds_error *err);

#endif
