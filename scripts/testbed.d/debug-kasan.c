// SPDX-License-Identifier: GPL-2.0-only
/*
 * KASAN's shadow for a Xen PV kernel, which Linux 6.1 lacks: it becomes arch/x86/xen/kasan.c of the
 * testbed's debug kernel (debug-kasan.patch calls it). Memory of the direct map and of the kernel's
 * image gets a shadow of its own, in steps of 2 MiB; everything else shares one page of zeroes.
 * A PV guest's page tables hold machine frames and have to be read-only before Xen takes them.
 * Runs on one CPU with interrupts off; nothing here may be instrumented.
 */
#include <linux/kasan.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/range.h>
#include <xen/hvc-console.h>
#include <asm/e820/types.h>
#include <asm/sections.h>
#include <asm/tlbflush.h>
#include <asm/xen/hypercall.h>
#include <asm/xen/hypervisor.h>
#include <asm/xen/page.h>
#include "xen-ops.h"

extern struct range pfn_mapped[E820_MAX_ENTRIES];

#define TABLE_FLAGS (_PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_ACCESSED | _PAGE_DIRTY)
#define DATA_FLAGS (_PAGE_PRESENT | _PAGE_RW | _PAGE_ACCESSED | _PAGE_DIRTY)
#define READ_FLAGS (_PAGE_PRESENT | _PAGE_ACCESSED | _PAGE_DIRTY)

/* What the shadow of each of these addresses covers (4 TiB each) is all that a kernel of this size touches. */
static const unsigned long __initconst covered[] = {
	__PAGE_OFFSET_BASE_L4,
	__VMALLOC_BASE_L4,
	/* per-CPU areas come from the end of the vmalloc space; struct page follows it */
	__VMEMMAP_BASE_L4,
	__START_KERNEL_map,
};

static unsigned long __init shadow_of(unsigned long address)
{
	return (unsigned long)kasan_mem_to_shadow((void *)address);
}

static unsigned long __init frame_of(const void *symbol)
{
	return ((unsigned long *)xen_start_info->mfn_list)[PFN_DOWN(__pa_symbol(symbol))];
}

/* FLAGS for all 512 entries of TABLE, each to the page of TARGET; then nobody writes to it any more. */
static void __init early_table(void *table, const void *target, unsigned long flags)
{
	unsigned long value = PFN_PHYS(frame_of(target)) | flags;
	unsigned int i;

	for (i = 0; i < PTRS_PER_PTE; i++)
		((unsigned long *)table)[i] = value;
	if (HYPERVISOR_update_va_mapping((unsigned long)table,
					 native_make_pte(PFN_PHYS(frame_of(table)) | READ_FLAGS),
					 UVMF_INVLPG))
		xen_raw_console_write("kasan: a page table stays writable\n");
}

/* As the first thing of all, in the page tables that Xen made. */
void __init xen_kasan_early_init(void)
{
	pgd_t *top = (pgd_t *)xen_start_info->pt_base;
	struct mmu_update update;
	unsigned int i;

	early_table(kasan_early_shadow_pte, kasan_early_shadow_page, DATA_FLAGS);
	early_table(kasan_early_shadow_pmd, kasan_early_shadow_pte, TABLE_FLAGS);
	early_table(kasan_early_shadow_pud, kasan_early_shadow_pmd, TABLE_FLAGS);
	for (i = 0; i < ARRAY_SIZE(covered); i++) {
		update.ptr = PFN_PHYS(frame_of(top)) + pgd_index(shadow_of(covered[i])) * sizeof(*top);
		update.val = PFN_PHYS(frame_of(kasan_early_shadow_pud)) | TABLE_FLAGS;
		if (HYPERVISOR_mmu_update(&update, 1, NULL, DOMID_SELF))
			xen_raw_console_write("kasan: Xen refuses the early shadow\n");
	}
}

/* The kernel's own page tables replace Xen's: FROM's shadow goes along. */
void __init xen_kasan_copy(pgd_t *to, const pgd_t *from)
{
	unsigned int i, entry;

	for (i = 0; i < ARRAY_SIZE(covered); i++) {
		entry = pgd_index(shadow_of(covered[i]));
		to[entry] = from[entry];
	}
}

/* kmemleak is not to look for pointers there. */
static void *__init allocate(size_t size)
{
	void *memory = memblock_alloc_try_nid(size, PAGE_SIZE, 0, MEMBLOCK_ALLOC_NOLEAKTRACE, NUMA_NO_NODE);

	if (!memory)
		panic("kasan: no memory for the shadow");
	return memory;
}

/* The PMD entry for a shadow address, in tables of its own. */
static pmd_t *__init own_pmd(unsigned long shadow)
{
	p4d_t *p4d = p4d_offset(pgd_offset_k(shadow), shadow);
	pud_t *pud;
	void *table;

	if (p4d_pfn(*p4d) == PFN_DOWN(__pa_symbol(kasan_early_shadow_pud))) {
		table = allocate(PAGE_SIZE);
		memcpy(table, kasan_early_shadow_pud, PAGE_SIZE);
		make_lowmem_page_readonly(table);
		set_p4d(p4d, __p4d(__pa(table) | TABLE_FLAGS));
	}
	pud = pud_offset(p4d, shadow);
	if (pud_pfn(*pud) == PFN_DOWN(__pa_symbol(kasan_early_shadow_pmd))) {
		table = allocate(PAGE_SIZE);
		memcpy(table, kasan_early_shadow_pmd, PAGE_SIZE);
		make_lowmem_page_readonly(table);
		set_pud(pud, __pud(__pa(table) | TABLE_FLAGS));
	}
	return pmd_offset(pud, shadow);
}

static void __init own_shadow(unsigned long start, unsigned long end)
{
	unsigned long shadow, last = round_up(shadow_of(end), PMD_SIZE);

	for (shadow = round_down(shadow_of(start), PMD_SIZE); shadow != last; shadow += PMD_SIZE) {
		pmd_t *pmd = own_pmd(shadow);
		void *memory;
		pte_t *ptes;
		unsigned int i;

		if (pmd_pfn(*pmd) != PFN_DOWN(__pa_symbol(kasan_early_shadow_pte)))
			continue;
		memory = allocate(PMD_SIZE);
		ptes = allocate(PAGE_SIZE);
		for (i = 0; i < PTRS_PER_PTE; i++)
			ptes[i] = pfn_pte(PFN_DOWN(__pa(memory)) + i, PAGE_KERNEL);
		make_lowmem_page_readonly(ptes);
		set_pmd(pmd, __pmd(__pa(ptes) | TABLE_FLAGS));
	}
}

/* Instead of kasan_init(), when the direct map is complete. */
void __init xen_kasan_init(void)
{
	unsigned long shadow;
	unsigned int i;

	for (i = 0; i < E820_MAX_ENTRIES && pfn_mapped[i].end; i++)
		own_shadow((unsigned long)pfn_to_kaddr(pfn_mapped[i].start),
			   (unsigned long)pfn_to_kaddr(pfn_mapped[i].end));
	own_shadow((unsigned long)_stext, (unsigned long)_end);
	/* A module brings its shadow along. */
	for (shadow = shadow_of(MODULES_VADDR); shadow < shadow_of(MODULES_END); shadow += PMD_SIZE)
		set_pmd(own_pmd(shadow), __pmd(0));
	__flush_tlb_all();

	/* It was shadow of whatever ran until now; from now on it is zero. */
	memset(kasan_early_shadow_page, 0, PAGE_SIZE);
	for (i = 0; i < PTRS_PER_PTE; i++)
		set_pte(&kasan_early_shadow_pte[i],
			pfn_pte(PFN_DOWN(__pa_symbol(kasan_early_shadow_page)), PAGE_KERNEL_RO));
	__flush_tlb_all();
}
