// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parser for device addresses, hide lists and quirks. Pure: text in, numbers out;
 * every digit is bounded, so is every step through the text.
 */
#include "spec.h"

struct cursor {
	const char *p, *end;
};

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',';
}

static void skip_blank(struct cursor *c)
{
	while (c->p < c->end && blank(*c->p))
		c->p++;
}

static bool take(struct cursor *c, char want)
{
	if (c->p < c->end && *c->p == want) {
		c->p++;
		return true;
	}
	return false;
}

static int digit(char ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	if (ch >= 'a' && ch <= 'f')
		return ch - 'a' + 10;
	if (ch >= 'A' && ch <= 'F')
		return ch - 'A' + 10;
	return -1;
}

/* One to max hexadecimal digits. */
static bool hex(struct cursor *c, unsigned int max, u32 *out)
{
	unsigned int n = 0;

	*out = 0;
	while (c->p < c->end && digit(*c->p) >= 0) {
		if (++n > max)
			return false;
		*out = *out << 4 | (u32)digit(*c->p++);
	}
	return n > 0;
}

static int bdf(struct cursor *c, bool wild, struct spec_bdf *out)
{
	u32 first, second, third;

	out->slot = SPEC_ANY;
	out->func = SPEC_ANY;
	if (!hex(c, 4, &first) || !take(c, ':'))
		return -EINVAL;
	out->domain = 0;
	out->bus = first;
	if (wild && take(c, '*'))
		goto all_slots;
	if (!hex(c, 4, &second))
		return -EINVAL;
	if (take(c, ':')) {
		out->domain = first;
		out->bus = second;
		if (wild && take(c, '*'))
			goto all_slots;
		if (!hex(c, 2, &third))
			return -EINVAL;
		second = third;
	}
	if (out->bus > 0xff || second > 0x1f || !take(c, '.'))
		return -EINVAL;
	out->slot = second;
	if (wild && take(c, '*'))
		return 0;
	if (!hex(c, 2, &third) || third > 7)
		return -EINVAL;
	out->func = third;
	return 0;

all_slots:
	if (out->bus > 0xff || !take(c, '.') || !take(c, '*'))
		return -EINVAL;
	return 0;
}

int spec_parse_bdf(const char *s, size_t len, bool wild, struct spec_bdf *out)
{
	struct cursor c = { s, s + len };
	int err;

	skip_blank(&c);
	err = bdf(&c, wild, out);
	if (err)
		return err;
	skip_blank(&c);
	return c.p == c.end ? 0 : -EINVAL;
}

int spec_parse_quirk(const char *s, size_t len, struct spec_quirk *out)
{
	struct cursor c = { s, s + len };
	u32 reg, size, mask;
	int err;

	skip_blank(&c);
	err = bdf(&c, false, &out->bdf);
	if (err)
		return err;
	if (!take(&c, '-') || !hex(&c, 8, &reg) || !take(&c, ':') || !hex(&c, 1, &size) ||
	    !take(&c, ':') || !hex(&c, 8, &mask))
		return -EINVAL;
	skip_blank(&c);
	if (c.p != c.end || reg > 0xfff || (size != 1 && size != 2 && size != 4) || reg % size)
		return -EINVAL;
	out->reg = reg;
	out->size = size;
	out->mask = mask;
	return 0;
}

int spec_next_hidden(const char *s, size_t len, size_t *pos, struct spec_bdf *out)
{
	struct cursor c = { s + *pos, s + len };
	int err;

	skip_blank(&c);
	if (c.p == c.end)
		return 0;
	if (!take(&c, '('))
		return -EINVAL;
	err = bdf(&c, true, out);
	if (err)
		return err;
	if (!take(&c, ')'))
		return -EINVAL;
	*pos = c.p - s;
	return 1;
}

bool spec_matches(const struct spec_bdf *spec, unsigned int domain, unsigned int bus,
		  unsigned int slot, unsigned int func)
{
	return spec->domain == domain && spec->bus == bus &&
	       (spec->slot == SPEC_ANY || spec->slot == (int)slot) &&
	       (spec->func == SPEC_ANY || spec->func == (int)func);
}
