/* SPDX-License-Identifier: MIT
 * copies.c - copies beside the computation, and calls that are recorded */
#include "suite.h"

/* send to one matrix while another is computed with; the results of both come back in order */
static void
lanes(int64_t rows, int64_t cols)
{
	const size_t bytes = (size_t)(rows * cols) * sizeof(float);
	float *x[2], *want[2];
	void *host[2], *back[2], *in[2], *out[2];
	int i, round, lane;
	int64_t k;

	begin("send, fetch", "%lldx%lld in two lanes", (long long)rows, (long long)cols);
	for (i = 0; i < 2; i++) {
		done(dev->ops->host_alloc(dev, &host[i], bytes, &fault));
		done(dev->ops->host_alloc(dev, &back[i], bytes, &fault));
		in[i] = up_bytes(NULL, bytes);
		out[i] = up_bytes(NULL, bytes);
	}
	for (round = 0; round < 6; round++) {
		lane = round & 1;
		if (round >= 2) {
			done(dev->ops->wait(dev, lane, &fault));
			same("fetched", back[lane], want[lane], bytes);
		}
		x[lane] = uniform(rows * cols, -1, 1);
		want[lane] = room(bytes);
		for (k = 0; k < rows * cols; k++)
			want[lane][k] = x[lane][k] * 2;
		if (bytes)
			memcpy(host[lane], x[lane], bytes);
		done(dev->ops->send(dev, in[lane], host[lane], bytes, &fault));
		done(dev->ops->axpby(dev, mat_of(out[lane], DT_F32, rows, cols), 2,
		                     mat_of(in[lane], DT_F32, rows, cols), 0, &fault));
		done(dev->ops->fetch(dev, back[lane], out[lane], bytes, &fault));
		done(dev->ops->mark(dev, lane, &fault));
	}
	for (i = 0; i < 2; i++) {
		done(dev->ops->wait(dev, i, &fault));
		same("fetched", back[i], want[i], bytes);
		down_bytes(room(bytes), in[i], bytes);
		down_bytes(room(bytes), out[i], bytes);
		dev->ops->host_release(dev, host[i]);
		dev->ops->host_release(dev, back[i]);
	}
	dev->ops->host_release(dev, NULL);
	end();
}

/* ---- replay ---- */

enum { ROWS = 40,
       COLS = 64 };

/* calls with host arrays, scratch memory and a product */
struct calls {
	struct mat y, x, picked, attended, normed;
	struct packed *w;
	int32_t *index;
	struct segs s;
	void *ones;
};

static int
forward(void *arg, struct adds_error *err)
{
	const struct calls *c = arg;
	int rc;

	if ((rc = dev->ops->gather(dev, c->picked, c->x, c->index, err)) < 0 ||
	    (rc = dev->ops->attention(dev, c->attended, NULL, c->picked, c->picked, c->picked, 2,
	                              0.2f, 0, c->s, c->s, err)) < 0 ||
	    (rc = dev->ops->layernorm(dev, c->normed, none(), NULL, NULL, c->attended, c->picked,
	                              c->ones, NULL, 1e-5f, err)) < 0)
		return rc;
	return dev->ops->linear(dev, c->y, c->normed, c->w, c->ones, ACT_GELU, none(), c->s, err);
}

static float *
fetch(struct mat m)
{
	float *h = room((size_t)(m.rows * m.ld) * sizeof(*h));

	done(dev->ops->get(dev, h, m.p, (size_t)(m.rows * m.ld) * sizeof(*h), &fault));
	return h;
}

/* memory without guards, that a test may write several times */
static struct mat
dense(int64_t rows, int64_t cols)
{
	return mat_of(up_bytes(NULL, (size_t)(rows * cols) * sizeof(float)), DT_F32, rows, cols);
}

/* a call that needs more scratch memory than any before */
static void
grow_scratch(int64_t n)
{
	struct mat x = dense(n, 300);

	done(dev->ops->fill(dev, x, 1, &fault));
	done(dev->ops->colsum(dev, dense(1, 300).p, x, 0, &fault));
}

static void
recorded(void)
{
	struct recording *r = NULL;
	struct calls c;
	int64_t *at = room(3 * sizeof(*at));
	float *x, *once, *again, *ones;
	int run, i;

	begin("replay", "calls with host arrays, inputs that change, scratch memory that moves");
	ones = uniform(COLS, 1, 1);
	at[1] = ROWS / 2 - 3;
	at[2] = ROWS;
	c.s = (struct segs){ 2, at };
	c.index = room(ROWS * sizeof(*c.index));
	for (i = 0; i < ROWS; i++)
		c.index[i] = (int32_t)below(ROWS);
	c.x = dense(ROWS, COLS);
	c.picked = dense(ROWS, COLS);
	c.attended = dense(ROWS, COLS);
	c.normed = dense(ROWS, COLS);
	c.y = dense(ROWS, COLS);
	c.ones = up_bytes(ones, COLS * sizeof(*ones));
	done(dev->ops->pack(dev, &c.w, uniform(COLS * COLS, -1, 1), DT_F32, COLS, COLS, 0, PREC_F32, &fault));
	for (run = 0; run < 7; run++) {
		x = uniform(ROWS * COLS, -1, 1);
		done(dev->ops->put(dev, c.x.p, x, ROWS * COLS * sizeof(*x), &fault));
		done(forward(&c, &fault));
		once = fetch(c.y);
		done(dev->ops->fill(dev, c.y, 0, &fault));
		done(dev->ops->replay(dev, &r, forward, &c, &fault));
		again = fetch(c.y);
		same("y", again, once, ROWS * COLS * sizeof(*once));
		if (run == 3)
			grow_scratch(40000);
	}
	dev->ops->forget(dev, r);
	dev->ops->forget(dev, NULL);
	dev->ops->unpack(dev, c.w);
	forget_buffers();
	end();
}

void
test_copies(void)
{
	int i;

	for (i = 0; i < SIZES; i++)
		lanes(size_list[i], 33);
	lanes(3000, 1000);
	recorded();
}
