// SPDX-License-Identifier: GPL-2.0-only
/*
 * The two topologies. In vpci, functions of one device share a slot and keep their number;
 * a VF gets a slot of its own at function 0. Pure; see topology.h.
 */
#include "topology.h"

static bool same_slot(const struct topo_addr *a, const struct topo_addr *b)
{
	return a->domain == b->domain && a->bus == b->bus && a->slot == b->slot;
}

bool topo_same(const struct topo_addr *a, const struct topo_addr *b)
{
	return same_slot(a, b) && a->func == b->func;
}

/* The slot of another function of the same device; else a free one; else -1. */
static int choose_slot(const struct topo *t, const struct topo_addr *real, bool is_vf)
{
	unsigned int func = real->func;
	u32 used = 0, taken = 0;	/* slots; and those where func is in use */
	unsigned int i;
	int slot;

	for (i = 0; i < t->nr; i++) {
		used |= 1u << t->e[i].virt.slot;
		if (t->e[i].virt.func == func)
			taken |= 1u << t->e[i].virt.slot;
	}
	for (i = 0; i < t->nr && !is_vf; i++) {
		const struct topo_entry *e = &t->e[i];

		if (!e->is_vf && same_slot(&e->real, real) && !(taken & 1u << e->virt.slot))
			return e->virt.slot;
	}
	for (slot = 0; slot < TOPO_SLOTS; slot++)
		if (!(used & 1u << slot))
			return slot;
	return -1;
}

int topo_add(struct topo *t, void *dev, const struct topo_addr *real, bool is_vf,
	     struct topo_addr *virt)
{
	struct topo_entry *e;

	if (topo_of(t, dev) || topo_at(t, real))
		return -EEXIST;
	if (t->nr == TOPO_MAX || real->slot >= TOPO_SLOTS || real->func >= TOPO_FUNCS)
		return -ENOSPC;
	if (t->passthrough) {
		*virt = *real;
	} else {
		int slot = choose_slot(t, real, is_vf);

		if (slot < 0)
			return -ENOSPC;
		*virt = (struct topo_addr){ .slot = slot, .func = is_vf ? 0 : real->func };
	}
	e = &t->e[t->nr++];
	e->dev = dev;
	e->real = *real;
	e->virt = *virt;
	e->is_vf = is_vf;
	return 0;
}

bool topo_del(struct topo *t, const void *dev)
{
	unsigned int i;

	for (i = 0; i < t->nr; i++)
		if (t->e[i].dev == dev) {
			t->e[i] = t->e[--t->nr];
			return true;
		}
	return false;
}

void *topo_find(const struct topo *t, u32 domain, u32 bus, u32 devfn)
{
	unsigned int i;

	for (i = 0; i < t->nr; i++) {
		const struct topo_addr *virt = &t->e[i].virt;

		if (virt->domain == domain && virt->bus == bus &&
		    virt->slot * (u32)TOPO_FUNCS + virt->func == devfn)
			return t->e[i].dev;
	}
	return NULL;
}

const struct topo_entry *topo_of(const struct topo *t, const void *dev)
{
	unsigned int i;

	for (i = 0; i < t->nr; i++)
		if (t->e[i].dev == dev)
			return &t->e[i];
	return NULL;
}

const struct topo_entry *topo_at(const struct topo *t, const struct topo_addr *real)
{
	unsigned int i;

	for (i = 0; i < t->nr; i++)
		if (topo_same(&t->e[i].real, real))
			return &t->e[i];
	return NULL;
}

unsigned int topo_roots(const struct topo *t, struct topo_addr *roots, unsigned int max)
{
	unsigned int i, k, n = 0;

	if (!t->passthrough) {
		if (max)
			roots[n++] = (struct topo_addr){ .domain = 0 };
		return n;
	}
	for (i = 0; i < t->nr && n < max; i++) {
		struct topo_addr bus = t->e[i].virt;

		bus.slot = 0;
		bus.func = 0;
		for (k = 0; k < n && !topo_same(&roots[k], &bus); k++)
			;
		if (k == n)
			roots[n++] = bus;
	}
	return n;
}
