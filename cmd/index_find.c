/* SPDX-License-Identifier: MIT
 * index_find.c - pictures by name, in folders and lists */
#define _DEFAULT_SOURCE /* d_type of readdir, which saves a stat for each file */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "index.h"

enum { CHUNK = 1 << 20,
       MAX_LINE = 1 << 16 }; /* of a list of names */

/* a name of a folder */
struct name {
	const char *text;
	uint64_t head; /* its first eight bytes, the first one highest: sorts like them */
	uint32_t len;
	unsigned char type;
};

struct listing {
	struct name *item;
	size_t n, room;
	char *text;
	size_t len, text_room;
	int has_json, has_text; /* some name ends so */
};

/* a folder being walked, and those around it: a link to one of them is a loop */
struct around {
	const struct around *up;
	dev_t dev;
	ino_t ino;
};

struct walk {
	struct index_pictures *p;
	char *path;
	size_t room;
	size_t relative;
};

static int
is_picture(const char *name, size_t len)
{
	static const char *const extensions[] = { ".jpg", ".jpeg", ".png", ".webp" };
	size_t i, n;

	for (i = 0; i < sizeof(extensions) / sizeof(*extensions); i++) {
		n = strlen(extensions[i]);
		if (len > n && strcasecmp(name + len - n, extensions[i]) == 0)
			return 1;
	}
	return 0;
}

/* clang-format off */
const char *const index_formats[INDEX_FORMATS] = {
	"heic", "heif", "avif", "jxl", "tif", "tiff", "gif", "bmp", "jp2", /* and those of cameras: */
	"raw", "dng", "cr2", "cr3", "nef", "nrw", "arw", "orf", "rw2", "raf", "pef", "srw", "3fr", "iiq",
};
/* clang-format on */

int
index_format_of(const char *name)
{
	const char *const dot = strrchr(name, '.');
	int i;

	for (i = 0; dot && dot > name && i < INDEX_FORMATS; i++)
		if (strcasecmp(dot + 1, index_formats[i]) == 0)
			return i;
	return -1;
}

static char *
keep(struct index_pictures *p, const char *path, size_t len)
{
	char *copy;

	if (p->chunk_left < len + 1) {
		p->chunk_left = len + 1 > CHUNK ? len + 1 : CHUNK;
		p->chunk = cmd_alloc(p->chunk_left, 1);
	}
	copy = p->chunk;
	memcpy(copy, path, len);
	copy[len] = '\0';
	p->chunk += len + 1;
	p->chunk_left -= len + 1;
	return copy;
}

static void
note_unread(struct walk *w, size_t len, int format)
{
	if (format < 0)
		return;
	w->p->unread[format]++;
	if (!w->p->unread_name)
		w->p->unread_name = keep(w->p, w->path, len);
}

static void
add(struct index_pictures *p, const char *path, size_t len, size_t relative, int beside)
{
	const char *const kept = keep(p, path, len);

	pthread_mutex_lock(&p->lock);
	if (p->n == p->room) {
		struct index_picture *more;

		p->room = p->room ? 2 * p->room : 1024;
		if (!(more = realloc(p->item, p->room * sizeof(*more))))
			die("out of memory for %zu pictures", p->room);
		p->item = more;
	}
	p->item[p->n++] = (struct index_picture){ kept, (uint32_t)relative, (uint8_t)beside };
	if (p->waiting)
		pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

static int
left_out(const struct index_pictures *p, const char *name)
{
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, ".git") == 0 || strcmp(name, "@eaDir") == 0)
		return 1;
	return name[0] == '.' && !p->include_hidden;
}

static uint64_t
head_of(const char *name)
{
	uint64_t head = 0;
	int i;

	for (i = 0; i < 8; i++) {
		head = head << 8 | (unsigned char)*name;
		name += *name != 0;
	}
	return head;
}

static void
put_name(struct listing *l, const char *name, unsigned char type)
{
	const size_t len = strlen(name);

	if (l->n == l->room) {
		struct name *more;

		l->room = l->room ? 2 * l->room : 256;
		if (!(more = realloc(l->item, l->room * sizeof(*more))))
			die("out of memory for a folder of %zu names", l->room);
		l->item = more;
	}
	if (l->len + len + 1 > l->text_room) {
		char *more;

		l->text_room = 2 * l->text_room + len + 4096;
		if (!(more = realloc(l->text, l->text_room)))
			die("out of memory for a folder of %zu names", l->room);
		l->text = more;
	}
	memcpy(l->text + l->len, name, len + 1);
	l->item[l->n++] = (struct name){ NULL, head_of(name), (uint32_t)len, type };
	l->has_json = l->has_json || (len > 5 && strcmp(name + len - 5, ".json") == 0);
	l->has_text = l->has_text || (len > 4 && strcmp(name + len - 4, ".txt") == 0);
	l->len += len + 1;
}

static int
by_name(const void *a, const void *b)
{
	const struct name *s = a, *t = b;

	if (s->head != t->head)
		return s->head < t->head ? -1 : 1;
	return strcmp(s->text, t->text);
}

/* all names of an open folder, sorted by bytes */
static int
list(struct listing *l, const struct index_pictures *p, DIR *d)
{
	const struct dirent *e;
	const char *s;
	size_t i;

	errno = 0;
	while ((e = readdir(d))) {
		if (!left_out(p, e->d_name))
			put_name(l, e->d_name, e->d_type);
		errno = 0;
	}
	if (errno)
		return -1;
	for (i = 0, s = l->text; i < l->n; s += l->item[i++].len + 1)
		l->item[i].text = s;
	if (l->n)
		qsort(l->item, l->n, sizeof(*l->item), by_name);
	return 0;
}

/* Whether the folder has the name STEM + extension, which sorts near place i:
 * steps of doubling width, then halves. */
static int
lists(const struct listing *l, size_t i, const char *name, size_t stem, const char *extension)
{
	const size_t len = stem + strlen(extension);
	size_t lo = 0, hi, step = 1;
	char want[512];
	int order;

	if (len >= sizeof(want))
		return 0;
	memcpy(want, name, stem);
	memcpy(want + stem, extension, len - stem + 1);
	if (strcmp(want, l->item[i].text) > 0) {
		for (lo = i + 1; i + step < l->n && strcmp(l->item[i + step].text, want) < 0; step *= 2)
			lo = i + step + 1;
		hi = i + step < l->n ? i + step + 1 : l->n;
	} else {
		for (hi = i; step <= i && strcmp(l->item[i - step].text, want) > 0; step *= 2)
			hi = i - step;
		lo = step <= i ? i - step : 0;
	}
	while (lo < hi) {
		const size_t mid = lo + (hi - lo) / 2;

		if ((order = strcmp(l->item[mid].text, want)) == 0)
			return 1;
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return 0;
}

static int
beside(const struct listing *l, size_t i)
{
	const char *name = l->item[i].text;
	const size_t len = l->item[i].len, stem = (size_t)(strrchr(name, '.') - name);

	return (l->has_json && lists(l, i, name, len, ".json") ? INDEX_LONG_JSON : 0) |
	       (l->has_json && lists(l, i, name, stem, ".json") ? INDEX_SHORT_JSON : 0) |
	       (l->has_text && lists(l, i, name, len, ".txt") ? INDEX_LONG_TEXT : 0) |
	       (l->has_text && lists(l, i, name, stem, ".txt") ? INDEX_SHORT_TEXT : 0);
}

static void
append(struct walk *w, size_t at, const char *name, size_t len)
{
	if (at + len + 2 > w->room) {
		char *more = realloc(w->path, w->room = 2 * (at + len + 2));

		if (!more)
			die("out of memory for a path of %zu bytes", at + len);
		w->path = more;
	}
	memcpy(w->path + at, name, len + 1);
}

static int
is_folder(const struct walk *w, unsigned char type)
{
	struct stat st;

	if (type == DT_DIR)
		return 1;
	if (type != DT_LNK && type != DT_UNKNOWN)
		return 0;
	return stat(w->path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void walk(struct walk *w, size_t at, const struct around *up);

/* the names of a listed folder: pictures are added, folders walked, in order */
static void
visit(struct walk *w, size_t at, const struct listing *l, const struct around *here)
{
	size_t i;

	for (i = 0; i < l->n; i++) {
		const struct name *n = &l->item[i];
		size_t len = at;

		if (len && w->path[len - 1] != '/')
			append(w, len++, "/", 1);
		append(w, len, n->text, n->len);
		len += n->len;
		if (is_folder(w, n->type))
			walk(w, len, here);
		else if (is_picture(n->text, n->len))
			add(w->p, w->path, len, w->relative, beside(l, i));
		else
			note_unread(w, len, index_format_of(n->text));
	}
}

/* the folder w->path, of at bytes */
static void
walk(struct walk *w, size_t at, const struct around *up)
{
	struct around here = { .up = up };
	const struct around *a;
	struct listing l = { 0 };
	struct stat st;
	DIR *d = opendir(w->path);
	int failed = !d || fstat(dirfd(d), &st) < 0;

	for (a = up; !failed && a; a = a->up)
		if (a->dev == st.st_dev && a->ino == st.st_ino) {
			if (w->p->loops++ == 0)
				w->p->loop_name = keep(w->p, w->path, at);
			closedir(d);
			return;
		}
	failed = failed || list(&l, w->p, d) < 0;
	if (failed && !up)
		w->p->failed = adds_fail_errno(&w->p->err, "cannot read the folder '%s'", w->path);
	if (d)
		closedir(d);
	if (failed && up) {
		add(w->p, w->path, at, w->relative < at ? w->relative : at, INDEX_FOLDER);
	} else if (!failed) {
		here.dev = st.st_dev;
		here.ino = st.st_ino;
		visit(w, at, &l, &here);
	}
	free(l.item);
	free(l.text);
}

static void
find_folder(struct index_pictures *p, const char *folder)
{
	const size_t n = strlen(folder);
	struct walk w = { .p = p };

	append(&w, 0, folder, n);
	w.relative = n + (folder[n - 1] != '/');
	walk(&w, n, NULL);
	free(w.path);
}

/* a folder, or a file whose name says that it is a picture */
static void
find(struct index_pictures *p, const char *argument)
{
	const size_t n = strlen(argument);
	struct stat st;

	if (stat(argument, &st) == 0 && S_ISDIR(st.st_mode))
		find_folder(p, argument);
	else if (is_picture(argument, n))
		add(p, argument, n, 0, INDEX_NOT_LISTED);
	else if (p->left_out++ == 0)
		p->left_out_name = keep(p, argument, n);
}

static void
find_lines(struct index_pictures *p, FILE *f)
{
	const int end = p->list_nul ? '\0' : '\n';
	char *line = NULL;
	size_t room = 0;
	ssize_t n;

	while (!p->failed && (n = adds_read_line(f, end, MAX_LINE, &line, &room)) != 0) {
		if (n == ADDS_ELIMIT)
			p->failed = adds_fail(&p->err, ADDS_ELIMIT, "'%s' holds a name of more than %d bytes", p->list, MAX_LINE);
		else if (n < 0)
			p->failed = adds_fail(&p->err, ADDS_ENOMEM, "out of memory for the names in '%s'", p->list);
		if (n < 0)
			break;
		if (line[n - 1] == end)
			line[--n] = '\0';
		if (n && !p->list_nul && line[n - 1] == '\r')
			line[--n] = '\0';
		if (memchr(line, 0, (size_t)n))
			p->failed = adds_fail(&p->err, ADDS_EFORMAT,
			                      "'%s' holds NUL bytes: use -0 for a list whose names end with them", p->list);
		else if (n)
			find(p, line);
	}
	if (!p->failed && ferror(f))
		p->failed = adds_fail_errno(&p->err, "cannot read '%s'", p->list);
	free(line);
}

static void
find_listed(struct index_pictures *p)
{
	FILE *f;

	if (strcmp(p->list, "-") == 0) {
		find_lines(p, stdin);
	} else if ((f = fopen(p->list, "r"))) {
		find_lines(p, f);
		fclose(f);
	} else {
		p->failed = adds_fail_errno(&p->err, "cannot open '%s'", p->list);
	}
}

static void *
find_all(void *arg)
{
	struct index_pictures *p = arg;
	size_t i;

	for (i = 0; i < p->arguments && !p->failed; i++)
		find(p, p->argument[i]);
	if (p->list && !p->failed)
		find_listed(p);
	pthread_mutex_lock(&p->lock);
	p->all = 1;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

void
index_check(const struct index_pictures *p)
{
	struct stat st;
	size_t i;

	for (i = 0; i < p->arguments; i++)
		if (stat(p->argument[i], &st) < 0)
			die("cannot open '%s': %s", p->argument[i], strerror(errno));
}

void
index_find_start(struct index_pictures *p)
{
	int rc;

	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->changed, NULL);
	if ((rc = pthread_create(&p->thread, NULL, find_all, p)) != 0)
		die("cannot start a thread: %s", strerror(rc));
}

int
index_find_join(struct index_pictures *p, struct adds_error *err)
{
	pthread_join(p->thread, NULL);
	if (p->failed)
		*err = p->err;
	return p->failed;
}
