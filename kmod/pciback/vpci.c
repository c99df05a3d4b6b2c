// SPDX-License-Identifier: GPL-2.0-only
/*
 * The vpci topology. Functions of one device share a slot and keep their number; a
 * VF gets a slot of its own at function 0. Pure; see vpci.h.
 */
#include "vpci.h"

static bool slot_is_free(const struct vpci *v, unsigned int slot)
{
	unsigned int f;

	for (f = 0; f < VPCI_FUNCS; f++)
		if (v->at[slot][f].dev)
			return false;
	return true;
}

static bool slot_is_sibling(const struct vpci *v, unsigned int slot, const struct vpci_addr *real)
{
	unsigned int f;

	for (f = 0; f < VPCI_FUNCS; f++) {
		const struct vpci_entry *e = &v->at[slot][f];

		if (e->dev && !e->is_vf && e->real.domain == real->domain &&
		    e->real.bus == real->bus && e->real.slot == real->slot)
			return true;
	}
	return false;
}

int vpci_add(struct vpci *v, void *dev, const struct vpci_addr *real, bool is_vf,
	     struct vpci_addr *virt)
{
	unsigned int func = is_vf ? 0 : real->func & (VPCI_FUNCS - 1);
	int place = -1;
	unsigned int s, f;

	for (s = 0; s < VPCI_SLOTS; s++)
		for (f = 0; f < VPCI_FUNCS; f++)
			if (v->at[s][f].dev == dev)
				return -EEXIST;

	for (s = 0; s < VPCI_SLOTS && !is_vf; s++)
		if (!v->at[s][func].dev && slot_is_sibling(v, s, real)) {
			place = s;
			break;
		}
	for (s = 0; s < VPCI_SLOTS && place < 0; s++)
		if (slot_is_free(v, s))
			place = s;
	if (place < 0)
		return -ENOSPC;

	v->at[place][func].dev = dev;
	v->at[place][func].real = *real;
	v->at[place][func].is_vf = is_vf;
	virt->domain = 0;
	virt->bus = 0;
	virt->slot = place;
	virt->func = func;
	return 0;
}

bool vpci_del(struct vpci *v, const void *dev)
{
	unsigned int s, f;

	for (s = 0; s < VPCI_SLOTS; s++)
		for (f = 0; f < VPCI_FUNCS; f++)
			if (v->at[s][f].dev == dev) {
				memset(&v->at[s][f], 0, sizeof(v->at[s][f]));
				return true;
			}
	return false;
}

void *vpci_find(const struct vpci *v, unsigned int domain, unsigned int bus, unsigned int devfn)
{
	if (domain || bus || devfn >= VPCI_SLOTS * VPCI_FUNCS)
		return NULL;
	return v->at[devfn / VPCI_FUNCS][devfn % VPCI_FUNCS].dev;
}

bool vpci_where(const struct vpci *v, const void *dev, struct vpci_addr *virt)
{
	unsigned int s, f;

	for (s = 0; s < VPCI_SLOTS; s++)
		for (f = 0; f < VPCI_FUNCS; f++)
			if (v->at[s][f].dev == dev) {
				*virt = (struct vpci_addr){ .slot = s, .func = f };
				return true;
			}
	return false;
}
