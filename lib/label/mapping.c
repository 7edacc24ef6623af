/* SPDX-License-Identifier: MIT
 * mapping.c - the pictures' vocabulary seen from a label stream */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mapping.h"

static void
name_ignored(struct adds_mapping *m, const char *name)
{
	const size_t n = strlen(m->first);

	if (m->ignored++ < 3)
		snprintf(m->first + n, sizeof(m->first) - n, "%s'%.70s'", n ? ", " : "", name);
}

int
adds_mapping_init(struct adds_mapping *m, const struct adds_vocab *labels, const struct adds_vocab *pictures, int strict,
                  struct adds_error *err)
{
	size_t i;

	memset(m, 0, sizeof(*m));
	m->labels = adds_vocab_size(labels);
	m->pictures = adds_vocab_size(pictures);
	m->to = malloc((m->pictures + 1) * sizeof(*m->to));
	m->known = calloc(m->labels + 1, 1);
	if (!m->to || !m->known)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %zu labels", m->labels);
	for (i = 0; i < m->pictures; i++) {
		const char *name = adds_vocab_name(pictures, i);

		m->to[i] = adds_vocab_find(labels, name, strlen(name));
		if (m->to[i] < 0) {
			name_ignored(m, name);
			continue;
		}
		m->known[m->to[i]] = 1;
		m->common++;
	}
	if (!m->common)
		return adds_fail(
			err, ADDS_EMISMATCH,
			"no label of the pictures' vocabulary (%zu: %s%s) stands in the label stream (%zu %s): encode the pictures' own labels",
			m->pictures, m->first, m->pictures > 3 ? ", ..." : "", m->labels,
			ADDS_PLURAL(m->labels, "label", "labels"));
	if (strict && m->ignored)
		return adds_fail(err, ADDS_EMISMATCH,
		                 "%zu %s of the pictures (%s%s) %s not in the label stream",
		                 m->ignored, ADDS_PLURAL(m->ignored, "label", "labels"), m->first,
		                 m->ignored > 3 ? ", ..." : "",
		                 ADDS_PLURAL(m->ignored, "is", "are"));
	return 0;
}

void
adds_mapping_release(struct adds_mapping *m)
{
	free(m->to);
	free(m->known);
	memset(m, 0, sizeof(*m));
}

static void
mark(int8_t *y, const struct adds_mapping *m, const int32_t *rows, size_t n, int8_t value)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (m->to[rows[i]] >= 0)
			y[m->to[rows[i]]] = value;
}

int
adds_mapping_targets(int8_t *y, int32_t *room, const struct adds_mapping *m, const struct adds_vocab *pictures,
                     const struct adds_record *rec)
{
	size_t i, n;

	memset(y, -1, m->labels);
	if (!rec->pos)
		return 0;
	if (rec->neg)
		mark(y, m, rec->neg, rec->nneg, 0);
	else
		for (i = 0; i < m->labels; i++)
			y[i] = m->known[i] ? 0 : -1;
	memcpy(room, rec->pos, rec->npos * sizeof(*room));
	n = adds_vocab_close(pictures, room, rec->npos);
	mark(y, m, room, n, 1);
	return 1;
}
