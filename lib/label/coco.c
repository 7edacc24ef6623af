/* SPDX-License-Identifier: MIT
 * coco.c - COCO instances JSON (and LVIS, which adds verified negatives), read
 * once from front to back: only names and which image has which category stay. */
#include <stdlib.h>
#include <string.h>

#include "hierarchy.h"
#include "table.h"

struct coco {
	struct adds_table *t;
	struct adds_pull p;
	struct adds_vocab *images;     /* ids as text; rows are entry numbers */
	struct adds_vocab *categories; /* ids as text; rows are numbers in mentions until the end */
	int32_t *name;                 /* local row of each category number, -1: not given yet */
	size_t names_room;
	int supercategories, seen_images, seen_categories, seen_annotations;
};

/* an id: a number or string as text, at most 31 bytes, in out; its length or an error */
static int
read_id(struct coco *c, int token, char out[32], struct adds_error *err)
{
	if (token < 0)
		return token;
	if ((token != ADDS_TOKEN_NUMBER && token != ADDS_TOKEN_STRING) || c->p.len == 0 || c->p.len > 31)
		return adds_pull_fail(&c->p, err, ADDS_EFORMAT, "not an id: a number, or a short string");
	memcpy(out, c->p.text, c->p.len);
	out[c->p.len] = '\0';
	return (int)c->p.len;
}

/* the entry of an image id, new where it is met for the first time */
static int64_t
entry_of(struct coco *c, const char *id, struct adds_error *err)
{
	const int64_t row = adds_vocab_add(c->images, id, strlen(id), err);

	if (row < 0)
		return row;
	if ((size_t)row == c->t->n && !adds_table_add(c->t, err))
		return ADDS_ENOMEM;
	return row;
}

/* the number of a category id, likewise */
static int64_t
category_of(struct coco *c, const char *id, struct adds_error *err)
{
	const int64_t row = adds_vocab_add(c->categories, id, strlen(id), err);
	int32_t *more;

	if (row < 0 || (size_t)row < c->names_room)
		return row;
	if (!(more = realloc(c->name, (2 * (size_t)row + 64) * sizeof(*more))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for '%s'", c->t->path);
	c->name = more;
	c->names_room = 2 * (size_t)row + 64;
	memset(c->name + row, 0xff, (c->names_room - (size_t)row) * sizeof(*c->name));
	return row;
}

/* the next key of an object: 1, 0 at its end, or an error */
static int
next_key(struct coco *c, struct adds_error *err)
{
	const int token = adds_pull_next(&c->p, err);

	return token < 0 ? token : token == ADDS_TOKEN_KEY;
}

/* a key that has been met before in its object */
static int
twice(const struct coco *c, struct adds_error *err)
{
	return adds_pull_fail(&c->p, err, ADDS_EFORMAT, "the key stands twice in its object");
}

/* the last part of an address or path */
static void
last_part(const char **s, size_t *n)
{
	size_t i;

	for (i = *n; i > 0 && (*s)[i - 1] != '/'; i--)
		continue;
	*s += i;
	*n -= i;
}

/* "neg_category_ids" of LVIS; entry -1: the id has not been read yet */
static int
read_negatives(struct coco *c, struct adds_mentions *neg, struct adds_error *err)
{
	int64_t category;
	int token, rc;
	char id[32];

	if ((token = adds_pull_next(&c->p, err)) < 0)
		return token;
	if (token != ADDS_TOKEN_ARRAY)
		return adds_pull_fail(&c->p, err, ADDS_EFORMAT, "not a list of category ids");
	while ((token = adds_pull_next(&c->p, err)) != ADDS_TOKEN_ARRAY_END) {
		if ((rc = read_id(c, token, id, err)) < 0)
			return rc;
		if ((category = category_of(c, id, err)) < 0)
			return (int)category;
		if ((rc = adds_table_mention(neg, (int32_t)category, err)) < 0)
			return rc;
	}
	return 0;
}

/* what an object of "images" says; file and address are copies */
struct image {
	char id[32], file[4097];
	size_t file_len;
	int has_file, has_address, has_neg;
	struct adds_mentions neg;
};

static int
read_image_name(struct coco *c, struct image *image, int whole, struct adds_error *err)
{
	const int token = adds_pull_next(&c->p, err);
	const char *s;
	size_t n;

	if (token < 0)
		return token;
	if (token != ADDS_TOKEN_STRING || c->p.len == 0 || c->p.len > 4096)
		return adds_pull_fail(&c->p, err, ADDS_EFORMAT, "not a file name");
	if (!whole && image->has_file)
		return 0;
	s = c->p.text;
	n = c->p.len;
	if (!whole)
		last_part(&s, &n);
	memcpy(image->file, s, n);
	image->file_len = n;
	image->has_file = whole;
	return 0;
}

static int
read_image_fields(struct coco *c, struct image *image, struct adds_error *err)
{
	int rc;

	while ((rc = next_key(c, err)) > 0) {
		if (adds_pull_is(&c->p, "id")) {
			rc = image->id[0] ? twice(c, err) : read_id(c, adds_pull_next(&c->p, err), image->id, err);
		} else if (adds_pull_is(&c->p, "file_name")) {
			rc = image->has_file ? twice(c, err) : read_image_name(c, image, 1, err);
		} else if (adds_pull_is(&c->p, "coco_url")) {
			rc = image->has_address++ ? twice(c, err) : read_image_name(c, image, 0, err);
		} else if (adds_pull_is(&c->p, "neg_category_ids")) {
			rc = image->has_neg++ ? twice(c, err) : read_negatives(c, &image->neg, err);
		} else {
			rc = adds_pull_skip(&c->p, ADDS_TOKEN_KEY, err);
		}
		if (rc < 0)
			return rc;
	}
	if (rc == 0 && (!image->id[0] || !image->file_len))
		return adds_pull_fail(&c->p, err, ADDS_EFORMAT, "an image without 'id' or 'file_name'");
	return rc;
}

static int
read_image(struct coco *c, struct adds_error *err)
{
	struct image image = { 0 };
	struct adds_table_entry *e;
	int64_t i;
	int rc;

	if ((rc = read_image_fields(c, &image, err)) < 0)
		goto fail;
	rc = (int)(i = entry_of(c, image.id, err));
	if (i < 0)
		goto fail;
	e = &c->t->entry[i];
	if (e->key) {
		rc = adds_pull_fail(&c->p, err, ADDS_EFORMAT, "image id %s stands twice", image.id);
		goto fail;
	}
	e->labelled = 1;
	e->has_neg = image.has_neg;
	e->neg = image.neg;
	return adds_table_name(c->t, (size_t)i, image.file, image.file_len, err);
fail:
	free(image.neg.item);
	return rc;
}

static int
read_annotation(struct coco *c, struct adds_error *err)
{
	char image[32] = "", category[32] = "";
	int64_t i, k;
	int rc;

	while ((rc = next_key(c, err)) > 0) {
		if (adds_pull_is(&c->p, "image_id"))
			rc = image[0] ? twice(c, err) : read_id(c, adds_pull_next(&c->p, err), image, err);
		else if (adds_pull_is(&c->p, "category_id"))
			rc = category[0] ? twice(c, err) : read_id(c, adds_pull_next(&c->p, err), category, err);
		else
			rc = adds_pull_skip(&c->p, ADDS_TOKEN_KEY, err);
		if (rc < 0)
			return rc;
	}
	if (rc < 0)
		return rc;
	if (!image[0] || !category[0])
		return adds_pull_fail(&c->p, err, ADDS_EFORMAT, "an annotation without 'image_id' or 'category_id'");
	if ((i = entry_of(c, image, err)) < 0)
		return (int)i;
	if ((k = category_of(c, category, err)) < 0)
		return (int)k;
	return adds_table_mention(&c->t->entry[i].pos, (int32_t)k, err);
}

/* a name of a category or supercategory, as a local row */
static int
read_name(struct coco *c, int32_t *row, struct adds_error *err)
{
	const int token = adds_pull_next(&c->p, err);
	struct adds_error why;
	int rc;

	if (token < 0)
		return token;
	if (token != ADDS_TOKEN_STRING)
		return adds_pull_fail(&c->p, err, ADDS_EFORMAT, "not a name");
	rc = adds_table_row(c->t, c->p.text, c->p.len, c->p.window_at + (uint64_t)(c->p.start - c->p.window), row, &why);
	return rc < 0 ? adds_pull_fail(&c->p, err, rc, "%s", why.msg) : 0;
}

static int
place_category(struct coco *c, const char *id, int32_t name, int32_t parent, struct adds_error *err)
{
	const int64_t k = category_of(c, id, err);

	if (k < 0)
		return (int)k;
	if (c->name[k] >= 0)
		return adds_pull_fail(&c->p, err, ADDS_EFORMAT, "category id %s stands twice", id);
	c->name[k] = name;
	if (parent < 0 || parent == name)
		return 0;
	if (adds_vocab_imply(c->t->names, name, parent, err) < 0)
		return adds_fail_in(err, "'%s'", c->t->path);
	return 0;
}

static int
read_category(struct coco *c, struct adds_error *err)
{
	int32_t name = -1, parent = -1;
	char id[32] = "";
	int rc;

	while ((rc = next_key(c, err)) > 0) {
		if (adds_pull_is(&c->p, "id"))
			rc = id[0] ? twice(c, err) : read_id(c, adds_pull_next(&c->p, err), id, err);
		else if (adds_pull_is(&c->p, "name"))
			rc = name >= 0 ? twice(c, err) : read_name(c, &name, err);
		else if (c->supercategories && adds_pull_is(&c->p, "supercategory"))
			rc = parent >= 0 ? twice(c, err) : read_name(c, &parent, err);
		else
			rc = adds_pull_skip(&c->p, ADDS_TOKEN_KEY, err);
		if (rc < 0)
			return rc;
	}
	if (rc < 0)
		return rc;
	if (!id[0] || name < 0)
		return adds_pull_fail(&c->p, err, ADDS_EFORMAT, "a category without 'id' or 'name'");
	return place_category(c, id, name, parent, err);
}

/* a list of objects at the top; *seen: whether it was there before */
static int
read_list(struct coco *c, int *seen, int (*element)(struct coco *, struct adds_error *), struct adds_error *err)
{
	int token, rc;

	if ((*seen)++)
		return adds_pull_fail(&c->p, err, ADDS_EFORMAT, "the key stands twice");
	if ((token = adds_pull_next(&c->p, err)) < 0)
		return token;
	if (token != ADDS_TOKEN_ARRAY)
		return adds_pull_fail(&c->p, err, ADDS_EFORMAT, "not a list");
	while ((token = adds_pull_next(&c->p, err)) != ADDS_TOKEN_ARRAY_END) {
		if (token < 0)
			return token;
		if (token != ADDS_TOKEN_OBJECT)
			return adds_pull_fail(&c->p, err, ADDS_EFORMAT, "not an object");
		if ((rc = element(c, err)) < 0)
			return rc;
	}
	return 0;
}

static int
read_top(struct coco *c, struct adds_error *err)
{
	int rc = adds_pull_next(&c->p, err);

	if (rc < 0)
		return rc;
	if (rc != ADDS_TOKEN_OBJECT)
		return adds_pull_fail(&c->p, err, ADDS_EFORMAT, "COCO instances JSON is an object");
	while ((rc = next_key(c, err)) > 0) {
		if (adds_pull_is(&c->p, "images"))
			rc = read_list(c, &c->seen_images, read_image, err);
		else if (adds_pull_is(&c->p, "annotations"))
			rc = read_list(c, &c->seen_annotations, read_annotation, err);
		else if (adds_pull_is(&c->p, "categories"))
			rc = read_list(c, &c->seen_categories, read_category, err);
		else
			rc = adds_pull_skip(&c->p, ADDS_TOKEN_KEY, err);
		if (rc < 0)
			return rc;
	}
	if (rc < 0 || (rc = adds_pull_next(&c->p, err)) < 0)
		return rc;
	if (!c->seen_images || !c->seen_annotations || !c->seen_categories)
		return adds_fail(err, ADDS_EFORMAT, "'%s' lacks 'images', 'annotations' or 'categories': no COCO instances JSON",
		                 c->t->path);
	return 0;
}

/* from category numbers to local rows */
static int
rename_mentions(struct coco *c, struct adds_mentions *m, struct adds_error *err)
{
	size_t i;

	for (i = 0; i < m->n; i++) {
		const int32_t k = m->item[i].row;

		if (c->name[k] < 0)
			return adds_fail(err, ADDS_EFORMAT, "'%s': category id %s is used, but not among 'categories'",
			                 c->t->path, adds_vocab_name(c->categories, (size_t)k));
		m->item[i].row = c->name[k];
	}
	return 0;
}

static int
finish(struct coco *c, struct adds_error *err)
{
	size_t i;
	int rc;

	for (i = 0; i < c->t->n; i++) {
		struct adds_table_entry *e = &c->t->entry[i];

		if (!e->key)
			return adds_fail(err, ADDS_EFORMAT, "'%s': image id %s is annotated, but not among 'images'", c->t->path,
			                 adds_vocab_name(c->images, i));
		if ((rc = rename_mentions(c, &e->pos, err)) < 0 || (rc = rename_mentions(c, &e->neg, err)) < 0)
			return rc;
	}
	return 0;
}

int
adds_table_coco(struct adds_table *t, int supercategories, struct adds_error *err)
{
	struct coco c = { .t = t, .supercategories = supercategories };
	int rc;

	c.images = adds_vocab_new();
	c.categories = adds_vocab_new();
	if (!c.images || !c.categories)
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory for '%s'", t->path);
	else if ((rc = adds_pull_file(&c.p, t->path, err)) == 0 && (rc = read_top(&c, err)) == 0)
		rc = finish(&c, err);
	adds_vocab_free(c.images);
	adds_vocab_free(c.categories);
	free(c.name);
	adds_pull_release(&c.p);
	return rc;
}
