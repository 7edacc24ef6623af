/* SPDX-License-Identifier: MIT
 * foreign.c - a device whose memory the host cannot touch: checks, memory, opening */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "foreign_inside.h"

struct recording {
	int runs;
};

/* ---- checks ---- */

void
foreign_breach(const char *call, const char *what)
{
	fprintf(stderr, "foreign device: %s: %s\n", call, what);
	abort();
}

static struct foreign *
state(const struct backend *b)
{
	return b->state;
}

struct foreign *
foreign_enter(struct backend *b)
{
	struct foreign *f = state(b);

	f->inner->threads = b->threads;
	return f;
}

void *
foreign_home(const struct foreign *f, const char *call, const void *p, size_t bytes)
{
	char *h = (char *)((uintptr_t)p - AWAY);
	size_t i;

	if (!p) {
		if (bytes)
			foreign_breach(call, "NULL where device memory belongs");
		return NULL;
	}
	if ((uintptr_t)p < AWAY)
		foreign_breach(call, "host memory where device memory belongs");
	for (i = 0; i < f->pieces; i++)
		if (h >= f->piece[i].p && h <= f->piece[i].p + f->piece[i].bytes) {
			if (bytes <= (size_t)(f->piece[i].p + f->piece[i].bytes - h))
				return h;
			if (h < f->piece[i].p + f->piece[i].bytes)
				foreign_breach(call, "reaches behind the end of its memory");
		}
	if (bytes)
		foreign_breach(call, "memory that was never allocated, or has been released");
	return h;
}

const void *
foreign_ours(const char *call, const void *host, size_t bytes)
{
	if (bytes && !host)
		foreign_breach(call, "NULL where a host array belongs");
	if ((uintptr_t)host >= AWAY)
		foreign_breach(call, "device memory where host memory belongs");
	return host;
}

struct mat
foreign_mat(const struct foreign *f, const char *call, struct mat m)
{
	size_t bytes = 0;

	if (m.p && m.rows > 0 && m.cols > 0)
		bytes = (size_t)((m.rows - 1) * m.ld + m.cols) * dtype_size(m.t);
	m.p = foreign_home(f, call, m.p, bytes);
	return m;
}

struct foreign *
foreign_enter_waiting(struct backend *b, const char *call)
{
	struct foreign *f = foreign_enter(b);

	if (f->recording)
		foreign_breach(call, "while calls are recorded");
	f->waits++;
	return f;
}

/* ---- memory ---- */

static void
foreign_close(struct backend *b)
{
	struct foreign *f = state(b);

	if (f->pieces)
		foreign_breach("close", "with memory that was not released");
	backend_close(f->inner);
	free(f->piece);
	free(f);
	free(b);
}

static int
foreign_alloc(struct backend *b, void **p, size_t bytes, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);
	struct piece *list;
	int rc;

	*p = NULL;
	if (f->recording)
		foreign_breach("alloc", "while calls are recorded");
	if (f->limit && f->used + bytes > f->limit)
		return adds_fail(err, ADDS_ENOMEM,
		                 "out of foreign memory: %zu bytes wanted, %zu of %zu in use",
		                 bytes, f->used, f->limit);
	if (f->pieces == f->room) {
		f->room = 2 * f->room + 64;
		if (!(list = realloc(f->piece, f->room * sizeof(*list))))
			return adds_fail(err, ADDS_ENOMEM, "out of memory");
		f->piece = list;
	}
	if ((rc = f->inner->ops->alloc(f->inner, p, bytes, err)) < 0)
		return rc;
	memset(*p, 0xff, bytes); /* NaN in every type */
	f->piece[f->pieces++] = (struct piece){ *p, bytes };
	f->used += bytes;
	f->most = f->used > f->most ? f->used : f->most;
	f->allocations++;
	*p = (void *)((uintptr_t)*p + AWAY);
	return 0;
}

static void
foreign_release(struct backend *b, void *p)
{
	struct foreign *f = foreign_enter(b);
	char *h = (char *)((uintptr_t)p - AWAY);
	size_t i;

	if (!p)
		return;
	if (f->recording)
		foreign_breach("release", "while calls are recorded");
	for (i = 0; i < f->pieces && f->piece[i].p != h; i++)
		;
	if (i == f->pieces)
		foreign_breach("release", "what alloc did not give, or a second time");
	f->used -= f->piece[i].bytes;
	memset(h, 0xff, f->piece[i].bytes);
	f->piece[i] = f->piece[--f->pieces];
	f->inner->ops->release(f->inner, h);
}

static int
foreign_put(struct backend *b, void *dst, const void *host, size_t bytes, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);

	if (f->recording)
		foreign_breach("put", "while calls are recorded");
	return f->inner->ops->put(f->inner, foreign_home(f, "put", dst, bytes), foreign_ours("put", host, bytes), bytes, err);
}

static int
foreign_get(struct backend *b, void *host, const void *src, size_t bytes, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);

	if (f->recording)
		foreign_breach("get", "while calls are recorded");
	f->waits++;
	foreign_ours("get", host, bytes);
	return f->inner->ops->get(f->inner, host, foreign_home(f, "get", src, bytes), bytes, err);
}

static int
foreign_copy(struct backend *b, struct mat y, struct mat x, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);

	return f->inner->ops->copy(f->inner, foreign_mat(f, "copy", y), foreign_mat(f, "copy", x), err);
}

static int
foreign_fill(struct backend *b, struct mat y, float value, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);

	return f->inner->ops->fill(f->inner, foreign_mat(f, "fill", y), value, err);
}

static int
foreign_sync(struct backend *b, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);

	if (f->recording)
		foreign_breach("sync", "while calls are recorded");
	f->waits++;
	return f->inner->ops->sync(f->inner, err);
}

static int
foreign_host_alloc(struct backend *b, void **p, size_t bytes, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);

	return f->inner->ops->host_alloc(f->inner, p, bytes, err);
}

static void
foreign_host_release(struct backend *b, void *p)
{
	foreign_ours("host_release", p, 0);
	state(b)->inner->ops->host_release(state(b)->inner, p);
}

static int
foreign_send(struct backend *b, void *dst, const void *host, size_t bytes, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);

	if (f->recording)
		foreign_breach("send", "while calls are recorded");
	return f->inner->ops->send(f->inner, foreign_home(f, "send", dst, bytes), foreign_ours("send", host, bytes), bytes, err);
}

static int
foreign_fetch(struct backend *b, void *host, const void *src, size_t bytes, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);

	if (f->recording)
		foreign_breach("fetch", "while calls are recorded");
	foreign_ours("fetch", host, bytes);
	return f->inner->ops->fetch(f->inner, host, foreign_home(f, "fetch", src, bytes), bytes, err);
}

static int
foreign_mark(struct backend *b, int n, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);

	if (f->recording)
		foreign_breach("mark", "while calls are recorded");
	return f->inner->ops->mark(f->inner, n, err);
}

static int
foreign_wait(struct backend *b, int n, struct adds_error *err)
{
	return state(b)->inner->ops->wait(state(b)->inner, n, err);
}

static int
foreign_replay(struct backend *b, struct recording **r, int (*calls)(void *arg, struct adds_error *err), void *arg,
               struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);
	int rc;

	if (f->recording)
		foreign_breach("replay", "while calls are recorded");
	if (!*r && !(*r = calloc(1, sizeof(**r))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	f->replays += (*r)->runs++ > 0;
	f->recording = 1;
	rc = calls(arg, err);
	f->recording = 0;
	return rc;
}

static void
foreign_forget(struct backend *b, struct recording *r)
{
	(void)b;
	free(r);
}

/* ---- opening ---- */

/* the memory's slots beside those of foreign_compute.c */
static void
fill_table(struct backend_ops *ops)
{
	*ops = foreign_compute;
	ops->name = "cpu"; /* whose results it gives */
	ops->close = foreign_close;
	ops->alloc = foreign_alloc;
	ops->release = foreign_release;
	ops->put = foreign_put;
	ops->get = foreign_get;
	ops->copy = foreign_copy;
	ops->fill = foreign_fill;
	ops->sync = foreign_sync;
	ops->host_alloc = foreign_host_alloc;
	ops->host_release = foreign_host_release;
	ops->send = foreign_send;
	ops->fetch = foreign_fetch;
	ops->mark = foreign_mark;
	ops->wait = foreign_wait;
	ops->replay = foreign_replay;
	ops->forget = foreign_forget;
}

struct backend *
foreign_over(struct backend *inner, struct adds_error *err)
{
	struct backend *b = inner ? calloc(1, sizeof(*b)) : NULL;
	struct foreign *f = inner ? calloc(1, sizeof(*f)) : NULL;

	if (!b || !f) {
		if (inner)
			adds_fail(err, ADDS_ENOMEM, "out of memory");
		backend_close(inner);
		free(b);
		free(f);
		return NULL;
	}
	*b = *inner;
	fill_table(&f->ops);
	b->ops = &f->ops;
	b->state = f;
	b->memory = (size_t)1 << 30;
	f->inner = inner;
	return b;
}

void
foreign_limit(struct backend *b, size_t bytes)
{
	state(b)->limit = bytes;
}

size_t
foreign_used(const struct backend *b, size_t *most)
{
	if (most)
		*most = state(b)->most;
	return state(b)->used;
}

int64_t
foreign_waits(const struct backend *b)
{
	return state(b)->waits;
}

int64_t
foreign_allocations(const struct backend *b)
{
	return state(b)->allocations;
}

int64_t
foreign_replays(const struct backend *b)
{
	return state(b)->replays;
}
