// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What depmod and libkmod read of a kernel module, and nothing else. Compiled once for each module of the made-up
 * tree: ALIAS, FIRMWARE, SOFTDEP; NEEDS and GIVES name a symbol.
 */
#define INFO(name, text) static const char name[] __attribute__((section(".modinfo"), used, aligned(1))) = text

INFO(license, "license=GPL");
#ifdef ALIAS
INFO(alias, "alias=" ALIAS);
#endif
#ifdef FIRMWARE
INFO(firmware, "firmware=" FIRMWARE);
#endif
#ifdef SOFTDEP
INFO(softdep, "softdep=" SOFTDEP);
#endif
#ifdef NEEDS
extern int NEEDS(void);
int (*needed)(void) = NEEDS;
#endif
#ifdef GIVES
#define TEXT_OF(word) #word
#define TEXT(word) TEXT_OF(word)
static const char given[] __attribute__((section("__ksymtab_strings"), used, aligned(1))) = TEXT(GIVES);
int GIVES(void);
int GIVES(void)
{
	return 0;
}
#endif
