/* SPDX-License-Identifier: MIT
 * clip.c - opening a model */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

void
adds_clip_note(struct adds_clip_notes *notes, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (!notes || !notes->p || notes->used + 2 > notes->n)
		return;
	va_start(ap, fmt);
	n = vsnprintf(notes->p + notes->used, notes->n - notes->used - 1, fmt, ap);
	va_end(ap);
	notes->used += n < 0 ? 0 : strlen(notes->p + notes->used);
	notes->p[notes->used++] = '\n';
	notes->p[notes->used] = '\0';
}

void
adds_clip_assume(struct adds_clip *m, const char *fmt, ...)
{
	char *const s = m->assumed;
	va_list ap;

	if (*s)
		snprintf(s + strlen(s), sizeof(m->assumed) - strlen(s), "; ");
	else
		snprintf(s, sizeof(m->assumed), "model '%s': no configuration says, so it is assumed: ", m->cfg.name);
	va_start(ap, fmt);
	vsnprintf(s + strlen(s), sizeof(m->assumed) - strlen(s), fmt, ap);
	va_end(ap);
}

const char *
adds_clip_assumed(const struct adds_clip *m)
{
	return *m->assumed ? m->assumed : NULL;
}

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* Everything but the weights' way to the device. */
static int
describe(struct adds_clip *m, const char *path, const struct adds_clip_options *o, struct adds_clip_notes *notes,
         struct adds_error *err)
{
	int rc;

	if ((rc = adds_clip_locate(&m->weights, m->folder, path, notes, err)) < 0)
		return rc;
	snprintf(m->cfg.name, sizeof(m->cfg.name), "%.127s", base_name(m->folder));
	if (adds_clip_params_init(&m->params, &m->weights, err) < 0 ||
	    adds_clip_json_read(&m->json, m->folder, &m->params, notes, err) < 0 || adds_clip_configure(m, o, notes, err) < 0)
		return adds_fail_in(err, "model '%s'", path);
	return 0;
}

static int
prepare(struct adds_clip *m, const char *path, const struct adds_clip_options *o, struct adds_error *err)
{
	m->precision = backend_precision(m->b, o->precision);
	m->type = m->precision == PREC_BF16 || (m->precision == PREC_INT8 && m->b->bf16) ? DT_BF16 : DT_F32;
	if ((o->image_tower && adds_clip_prepare_image(m, err) < 0) || (o->text_tower && adds_clip_prepare_text(m, err) < 0))
		return adds_fail_in(err, "model '%s'", path);
	return 0;
}

static struct adds_clip_options
defaults(const struct adds_clip_options *given)
{
	struct adds_clip_options o = { .precision = PREC_AUTO, .image_tower = 1, .text_tower = 1, .activation = -1 };

	if (given)
		o = *given;
	if (o.activation == ACT_NONE) /* no model has none: left at zero */
		o.activation = -1;
	return o;
}

struct adds_clip *
adds_clip_open(const char *path, struct backend *b, const struct adds_clip_options *options, char *notes, size_t n,
               struct adds_error *err)
{
	const struct adds_clip_options o = defaults(options);
	struct adds_clip_notes lines = { notes, n, 0 };
	struct adds_clip *m = calloc(1, sizeof(*m));

	if (!m) {
		adds_fail(err, ADDS_ENOMEM, "out of memory");
		return NULL;
	}
	if (notes && n)
		notes[0] = '\0';
	m->b = b;
	if (describe(m, path, &o, &lines, err) < 0 || prepare(m, path, &o, err) < 0) {
		adds_clip_free(m);
		return NULL;
	}
	return m;
}

void
adds_clip_free(struct adds_clip *m)
{
	if (!m)
		return;
	if (m->b)
		adds_clip_unprepare(m);
	adds_clip_params_release(&m->params);
	adds_weights_release(&m->weights);
	free(m);
}

const struct adds_clip_config *
adds_clip_config(const struct adds_clip *m)
{
	return &m->cfg;
}

const char *
adds_clip_folder(const struct adds_clip *m)
{
	return m->folder;
}

enum precision
adds_clip_precision(const struct adds_clip *m)
{
	return m->precision;
}

int
adds_clip_probe(struct adds_clip_config *c, const char *path, const struct adds_clip_options *options,
                struct adds_error *err)
{
	const struct adds_clip_options o = defaults(options);
	struct adds_clip *m = calloc(1, sizeof(*m));
	int rc;

	if (!m)
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	if ((rc = describe(m, path, &o, NULL, err)) == 0)
		*c = m->cfg;
	if (rc == 0 && options && options->text_tower && m->json.tokenizer[0])
		rc = adds_fail(err, ADDS_EARG,
		               "model '%s' reads its texts through %s, which is not supported: its pictures can be encoded, its "
		               "texts cannot",
		               path, m->json.tokenizer);
	adds_clip_free(m);
	return rc;
}
