/* SPDX-License-Identifier: MIT
 * fingerprint.c - one digest for one set of weights, whatever its naming */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../stream/record.h"
#include "model.h"

#define END 4096 /* bytes of each end of a tensor that are looked at */

struct text {
	char *p;
	size_t n, room;
};

static int
append(struct text *t, const void *bytes, size_t n, struct adds_error *err)
{
	char *p;

	if (t->n + n > t->room) {
		const size_t room = 2 * t->room + n + END;

		if (!(p = realloc(t->p, room)))
			return adds_fail(err, ADDS_ENOMEM, "out of memory");
		t->p = p;
		t->room = room;
	}
	memcpy(t->p + t->n, bytes, n);
	t->n += n;
	return 0;
}

/* "name dtype d0 d1 …\n", then the first and the last 4 KiB (a shorter tensor whole) */
static int
append_param(struct text *t, const struct adds_clip_param *p, struct adds_error *err)
{
	unsigned char ends[2 * END];
	const size_t size = adds_clip_param_size(p), n = size <= sizeof(ends) ? size : sizeof(ends);
	char line[ADDS_CLIP_NAME + 32 + ADDS_MAX_RANK * 24];
	int i, at, rc;

	at = snprintf(line, sizeof(line), "%s %s", p->name, adds_dtype_name((enum adds_dtype)p->dtype));
	for (i = 0; i < p->rank; i++)
		at += snprintf(line + at, sizeof(line) - (size_t)at, " %lld", (long long)p->shape[i]);
	line[at++] = '\n';
	adds_clip_param_bytes(ends, p, 0, size <= sizeof(ends) ? n : END);
	if (size > sizeof(ends))
		adds_clip_param_bytes(ends + END, p, size - END, END);
	if ((rc = append(t, line, (size_t)at, err)) < 0)
		return rc;
	return append(t, ends, n, err);
}

int
adds_clip_fingerprint(struct adds_clip *m, struct adds_error *err)
{
	const struct adds_clip_config *c = &m->cfg;
	struct text t = { NULL, 0, 0 };
	char line[128];
	size_t i;
	int n, rc = 0;

	for (i = 0; i < m->params.n && rc == 0; i++)
		rc = append_param(&t, &m->params.p[i], err);
	n = snprintf(line, sizeof(line), "heads %d %d activation %d %d eps %.9g %.9g\n", c->H, c->h, (int)c->act,
	             (int)c->text_act, (double)c->eps, (double)c->text_eps);
	if (rc == 0 && (rc = append(&t, line, (size_t)n, err)) == 0)
		adds_sha256_hex(m->cfg.fingerprint, t.p, t.n);
	free(t.p);
	return rc;
}
