/* SPDX-License-Identifier: MIT
 *
 * dnnl.c - products by oneDNN's matmul, versions 2 and 3. A primitive is made
 * once for each kind of work and kept, as long as it is among the last that were
 * used; it may run on several threads at once, since its working memory is ours.
 */
#include "cpu.h"
#include "product.h"

#ifndef ADDS_NO_DNNL
#include <oneapi/dnnl/dnnl.h>
#include <pthread.h>
#include <stdlib.h>

enum {
	BUCKETS = 1024,
	KEPT = 1024, /* primitives that are not running */
	POOL = 256,  /* working memories kept */
};

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t desc;
#else
typedef dnnl_memory_desc_t *desc;
#endif

struct entry {
	struct product what;
	struct entry *next;
	uint64_t used; /* when, by products' clock */
	int running;   /* on so many threads */
	dnnl_primitive_t primitive;
	desc a, b, c, bias, scratch; /* scratch belongs to the primitive */
	size_t scratch_bytes;
};

struct memory {
	void *p;
	size_t bytes;
};

struct products {
	pthread_mutex_t lock;
	dnnl_engine_t engine;
	dnnl_stream_t stream;
	struct entry *bucket[BUCKETS];
	int entries;
	uint64_t clock;
	struct memory pool[POOL];
	int pooled;
};

/* ---- where versions differ ---- */

static void
desc_free(desc d)
{
#if DNNL_VERSION_MAJOR >= 3
	if (d)
		dnnl_memory_desc_destroy(d);
#else
	free(d);
#endif
}

static dnnl_status_t
desc_new(desc *d, const dnnl_dims_t dims, int32_t t, const dnnl_dims_t strides)
{
	static const dnnl_data_type_t types[] = {
		[DT_F32] = dnnl_f32,
		[DT_BF16] = dnnl_bf16,
		[DT_F16] = dnnl_f16,
	};
	const dnnl_data_type_t type = types[t];

#if DNNL_VERSION_MAJOR >= 3
	return dnnl_memory_desc_create_with_strides(d, 2, dims, type, strides);
#else
	if (!(*d = malloc(sizeof(**d))))
		return dnnl_out_of_memory;
	return dnnl_memory_desc_init_by_strides(*d, 2, dims, type, strides);
#endif
}

static dnnl_status_t
append_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t kind, float alpha)
{
#if DNNL_VERSION_MAJOR >= 3
	return dnnl_post_ops_append_eltwise(ops, kind, alpha, 0);
#else
	return dnnl_post_ops_append_eltwise(ops, 1, kind, alpha, 0);
#endif
}

static dnnl_status_t
append_sum(dnnl_post_ops_t ops)
{
#if DNNL_VERSION_MAJOR >= 3
	return dnnl_post_ops_append_sum(ops, 1, 0, dnnl_data_type_undef);
#else
	return dnnl_post_ops_append_sum(ops, 1);
#endif
}

static dnnl_status_t
matmul_new(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const struct entry *e, dnnl_primitive_attr_t attr)
{
#if DNNL_VERSION_MAJOR >= 3
	return dnnl_matmul_primitive_desc_create(pd, engine, e->a, e->b, e->bias, e->c, attr);
#else
	dnnl_matmul_desc_t m;
	const dnnl_status_t s = dnnl_matmul_desc_init(&m, e->a, e->b, e->bias, e->c);

	return s == dnnl_success ? dnnl_primitive_desc_create(pd, &m, attr, engine, NULL) : s;
#endif
}

/* a copy of the description of the working memory */
static dnnl_status_t
scratch_of(struct entry *e, dnnl_primitive_desc_t pd)
{
#if DNNL_VERSION_MAJOR >= 3
	const_dnnl_memory_desc_t d = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);

	e->scratch_bytes = dnnl_memory_desc_get_size(d);
	return dnnl_memory_desc_clone(&e->scratch, d);
#else
	const dnnl_memory_desc_t *d = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);

	e->scratch_bytes = dnnl_memory_desc_get_size(d);
	if (!(e->scratch = malloc(sizeof(*e->scratch))))
		return dnnl_out_of_memory;
	*e->scratch = *d;
	return dnnl_success;
#endif
}

/* ---- primitives ---- */

static dnnl_alg_kind_t
kind_of(int32_t act)
{
	return act == ACT_RELU         ? dnnl_eltwise_relu
	       : act == ACT_GELU       ? dnnl_eltwise_gelu_erf
	       : act == ACT_QUICK_GELU ? dnnl_eltwise_swish
	                               : dnnl_eltwise_gelu_tanh;
}

static dnnl_status_t
attr_new(dnnl_primitive_attr_t *attr, const struct product *w)
{
	dnnl_post_ops_t ops = NULL;
	dnnl_status_t s;

	if ((s = dnnl_primitive_attr_create(attr)) != dnnl_success)
		return s;
	if ((s = dnnl_primitive_attr_set_scratchpad_mode(*attr, dnnl_scratchpad_mode_user)) != dnnl_success)
		return s;
	if ((s = dnnl_post_ops_create(&ops)) != dnnl_success)
		return s;
	if (w->alpha != 1)
		s = append_eltwise(ops, dnnl_eltwise_linear, w->alpha);
	if (s == dnnl_success && w->act != ACT_NONE)
		s = append_eltwise(ops, kind_of(w->act), w->act == ACT_QUICK_GELU ? 1.702f : 0);
	if (s == dnnl_success && w->add)
		s = append_sum(ops);
	if (s == dnnl_success)
		s = dnnl_primitive_attr_set_post_ops(*attr, ops);
	dnnl_post_ops_destroy(ops);
	return s;
}

static dnnl_status_t
descs_new(struct entry *e)
{
	const struct product *w = &e->what;
	const dnnl_dims_t a = { w->m, w->k }, b = { w->k, w->n }, c = { w->m, w->n }, bias = { 1, w->n };
	const dnnl_dims_t as = { w->ai, w->aj }, bs = { w->bi, w->bj }, cs = { w->ci, 1 }, biass = { w->n, 1 };
	dnnl_status_t s;

	if ((s = desc_new(&e->a, a, w->at, as)) != dnnl_success)
		return s;
	if ((s = desc_new(&e->b, b, w->bt, bs)) != dnnl_success)
		return s;
	if (w->bias && (s = desc_new(&e->bias, bias, DT_F32, biass)) != dnnl_success)
		return s;
	return desc_new(&e->c, c, w->ct, cs);
}

static void
entry_free(struct entry *e)
{
	if (!e)
		return;
	if (e->primitive)
		dnnl_primitive_destroy(e->primitive);
	desc_free(e->a);
	desc_free(e->b);
	desc_free(e->c);
	desc_free(e->bias);
	desc_free(e->scratch);
	free(e);
}

static struct entry *
entry_new(dnnl_engine_t engine, const struct product *w)
{
	struct entry *e = calloc(1, sizeof(*e));
	dnnl_primitive_attr_t attr = NULL;
	dnnl_primitive_desc_t pd = NULL;
	dnnl_status_t s;

	if (!e)
		return NULL;
	e->what = *w;
	s = attr_new(&attr, w);
	if (s == dnnl_success)
		s = descs_new(e);
	if (s == dnnl_success)
		s = matmul_new(&pd, engine, e, attr);
	if (s == dnnl_success)
		s = scratch_of(e, pd);
	if (s == dnnl_success)
		s = dnnl_primitive_create(&e->primitive, pd);
	if (pd)
		dnnl_primitive_desc_destroy(pd);
	if (attr)
		dnnl_primitive_attr_destroy(attr);
	if (s == dnnl_success)
		return e;
	entry_free(e);
	return NULL;
}

static unsigned
hash(const struct product *w)
{
	const unsigned char *p = (const unsigned char *)w;
	uint32_t h = 2166136261u;
	size_t i;

	for (i = 0; i < sizeof(*w); i++)
		h = (h ^ p[i]) * 16777619u;
	return h % BUCKETS;
}

/* Where there are enough, the one that was used longest ago goes. */
static void
make_room(struct products *p)
{
	struct entry **oldest = NULL, **at, *e;
	int i;

	if (p->entries < KEPT)
		return;
	for (i = 0; i < BUCKETS; i++)
		for (at = &p->bucket[i]; *at; at = &(*at)->next)
			if (!(*at)->running && (!oldest || (*at)->used < (*oldest)->used))
				oldest = at;
	if (!oldest)
		return;
	e = *oldest;
	*oldest = e->next;
	p->entries--;
	entry_free(e);
}

/* the primitive for w, running until it is left */
static struct entry *
enter(struct products *p, const struct product *w)
{
	struct entry **head = &p->bucket[hash(w)], *e;

	pthread_mutex_lock(&p->lock);
	for (e = *head; e; e = e->next)
		if (memcmp(&e->what, w, sizeof(*w)) == 0)
			break;
	if (!e) {
		make_room(p);
		if ((e = entry_new(p->engine, w))) {
			e->next = *head;
			*head = e;
			p->entries++;
		}
	}
	if (e) {
		e->used = ++p->clock;
		e->running++;
	}
	pthread_mutex_unlock(&p->lock);
	return e;
}

static void
leave(struct products *p, struct entry *e)
{
	pthread_mutex_lock(&p->lock);
	e->running--;
	pthread_mutex_unlock(&p->lock);
}

/* ---- working memory ---- */

static struct memory
take(struct products *p, size_t bytes, struct adds_error *err)
{
	struct memory m = { NULL, 0 };

	if (!bytes)
		return m;
	pthread_mutex_lock(&p->lock);
	if (p->pooled)
		m = p->pool[--p->pooled];
	pthread_mutex_unlock(&p->lock);
	if (m.bytes >= bytes)
		return m;
	free(m.p);
	m.p = cpu_scratch(bytes, err);
	m.bytes = m.p ? bytes : 0;
	return m;
}

static void
give_back(struct products *p, struct memory m)
{
	pthread_mutex_lock(&p->lock);
	if (m.p && p->pooled < POOL) {
		p->pool[p->pooled++] = m;
		m.p = NULL;
	}
	pthread_mutex_unlock(&p->lock);
	free(m.p);
}

/* ---- running ---- */

static int
broken(struct adds_error *err, const struct product *w, const char *what)
{
	return adds_fail(err, ADDS_EDEVICE, "oneDNN cannot %s the product [%lld,%lld]x[%lld,%lld]", what,
	                 (long long)w->m, (long long)w->k, (long long)w->k, (long long)w->n);
}

static int
run(struct products *p, const struct entry *e, void *c, const void *a, const void *b, const float *bias,
    struct adds_error *err)
{
	const struct product *w = &e->what;
	const desc d[5] = { e->a, e->b, e->c, e->scratch, e->bias };
	void *at[5] = { (void *)(uintptr_t)a, (void *)(uintptr_t)b, c, NULL, (void *)(uintptr_t)bias };
	dnnl_exec_arg_t arg[5] = { { DNNL_ARG_SRC, NULL },
		                   { DNNL_ARG_WEIGHTS, NULL },
		                   { DNNL_ARG_DST, NULL },
		                   { DNNL_ARG_SCRATCHPAD, NULL },
		                   { DNNL_ARG_BIAS, NULL } };
	const int n = w->bias ? 5 : 4;
	dnnl_status_t s = dnnl_success;
	struct memory m;
	int i;

	m = take(p, e->scratch_bytes, err);
	if (e->scratch_bytes && !m.p)
		return ADDS_ENOMEM;
	at[3] = m.p;
	for (i = 0; s == dnnl_success && i < n; i++)
		s = dnnl_memory_create(&arg[i].memory, d[i], p->engine, at[i]);
	if (s == dnnl_success)
		s = dnnl_primitive_execute(e->primitive, p->stream, n, arg);
	if (s == dnnl_success)
		s = dnnl_stream_wait(p->stream);
	for (i = 0; i < n; i++)
		if (arg[i].memory)
			dnnl_memory_destroy(arg[i].memory);
	give_back(p, m);
	return s == dnnl_success ? 0 : broken(err, w, "run");
}

int
cpu_product_run(struct products *p, const struct product *w, void *c, const void *a, const void *b, const float *bias,
                struct adds_error *err)
{
	struct entry *e = enter(p, w);
	int rc;

	if (!e)
		return broken(err, w, "prepare");
	rc = run(p, e, c, a, b, bias, err);
	leave(p, e);
	return rc;
}

struct products *
cpu_products_new(struct adds_error *err)
{
	struct products *p = calloc(1, sizeof(*p));

	if (!p) {
		adds_fail(err, ADDS_ENOMEM, "out of memory");
		return NULL;
	}
	pthread_mutex_init(&p->lock, NULL);
	if (dnnl_engine_create(&p->engine, dnnl_cpu, 0) == dnnl_success &&
	    dnnl_stream_create(&p->stream, p->engine, dnnl_stream_default_flags) == dnnl_success)
		return p;
	cpu_products_free(p);
	adds_fail(err, ADDS_EDEVICE, "oneDNN does not start");
	return NULL;
}

void
cpu_products_free(struct products *p)
{
	struct entry *e, *next;
	int i;

	if (!p)
		return;
	for (i = 0; i < BUCKETS; i++)
		for (e = p->bucket[i]; e; e = next) {
			next = e->next;
			entry_free(e);
		}
	while (p->pooled)
		free(p->pool[--p->pooled].p);
	if (p->stream)
		dnnl_stream_destroy(p->stream);
	if (p->engine)
		dnnl_engine_destroy(p->engine);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

struct product_traits
cpu_products_traits(void)
{
	const unsigned isa = (unsigned)dnnl_get_effective_cpu_isa();
	struct product_traits t = { .isa = "" };

	if ((isa & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core) {
		t.avx512 = 1;
		t.isa = "AVX-512";
	}
	if ((isa & dnnl_cpu_isa_avx512_core_vnni) == dnnl_cpu_isa_avx512_core_vnni) {
		t.vnni = 1;
		t.isa = "AVX-512 VNNI";
	}
	if ((isa & dnnl_cpu_isa_avx512_core_bf16) == dnnl_cpu_isa_avx512_core_bf16) {
		t.bf16 = 1;
		t.isa = "AVX-512 BF16";
	}
	if ((isa & dnnl_cpu_isa_avx512_core_amx) == dnnl_cpu_isa_avx512_core_amx) {
		t.amx = 1;
		t.isa = "AMX";
	}
	return t;
}
#endif
