/*
 * tests/fuzz/mutate.c - changes to lines of text, by chance.
 *
 * What breaks readers of text is seldom one bit: so most changes are to whole
 * lines (gone, twice, from elsewhere), to numbers (the ends of every width) and
 * to answers (an error instead, another one's).  A few are to bytes.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/mutate.h"

#define CHANGES_MAX	6
#define LEN_MAX		(1u << 20)

struct chance {
	uint64_t state;
};

/* xorshift64*: small, and the same everywhere. */
static uint64_t draw(struct chance *c)
{
	c->state ^= c->state >> 12;
	c->state ^= c->state << 25;
	c->state ^= c->state >> 27;
	return c->state * 0x2545f4914f6cdd1dull;
}

static size_t below(struct chance *c, size_t n)
{
	return n ? (size_t)(draw(c) >> 11) % n : 0;
}

static struct text copy(const struct text *t)
{
	struct text new = { malloc(t->len + 1), t->len };

	if (!new.bytes)
		abort();
	memcpy(new.bytes, t->bytes, t->len);
	new.bytes[t->len] = '\0';
	return new;
}

/* Puts with_len bytes in the place of len at at. */
static void splice(struct text *t, size_t at, size_t len, const char *with,
		   size_t with_len)
{
	char *bytes;

	if (t->len - len + with_len > LEN_MAX)
		return;
	bytes = malloc(t->len - len + with_len + 1);
	if (!bytes)
		abort();
	memcpy(bytes, t->bytes, at);
	if (with_len)
		memcpy(bytes + at, with, with_len);
	memcpy(bytes + at + with_len, t->bytes + at + len, t->len - at - len);
	free(t->bytes);
	t->bytes = bytes;
	t->len = t->len - len + with_len;
	t->bytes[t->len] = '\0';
}

/* Any line, with its newline. */
static size_t pick_line(struct chance *c, const struct text *t, size_t *ret_len)
{
	size_t at = below(c, t->len), end = at;

	while (at && t->bytes[at - 1] != '\n')
		at--;
	while (end < t->len && t->bytes[end] != '\n')
		end++;
	*ret_len = end + (end < t->len) - at;
	return at;
}

static void drop_line(struct chance *c, struct text *t, const struct text *o)
{
	size_t len, at = pick_line(c, t, &len);

	(void)o;
	splice(t, at, len, NULL, 0);
}

/* A line of this text or another one goes anywhere, once or often. */
static void add_line(struct chance *c, struct text *t, const struct text *o)
{
	size_t len, from_len, at = pick_line(c, t, &len);
	size_t from = pick_line(c, o, &from_len), n;

	for (n = below(c, 8) ? 1 : below(c, 200); n; n--)
		splice(t, at, 0, o->bytes + from, from_len);
}

static void exchange_line(struct chance *c, struct text *t,
			  const struct text *o)
{
	size_t len, from_len, at = pick_line(c, t, &len);
	size_t from = pick_line(c, o, &from_len);

	splice(t, at, len, o->bytes + from, from_len);
}

static void fail_line(struct chance *c, struct text *t, const struct text *o)
{
	static const char *const errors[] = {
		"! ENOENT\n", "! EACCES\n", "! EPERM\n", "! EINVAL\n",
		"! EIO\n", "! ENOSYS\n", "! EOPNOTSUPP\n", "! ENOSPC\n",
		"! ENOMEM\n", "! ENODATA\n", "! EFBIG\n", "! 4095\n", "~\n",
		"= \n",
	};
	const char *with = errors[below(c, sizeof(errors) /
					   sizeof(errors[0]))];
	size_t len, at = pick_line(c, t, &len);

	(void)o;
	splice(t, at, len, with, strlen(with));
}

/* Where a link leads: to where it came from, upwards, or nowhere. */
static void turn_link(struct chance *c, struct text *t, const struct text *o)
{
	static const char *const ends[] = {
		"~ .\n", "~ ..\n", "~ ../..\n", "~ /\n",
		"~ ../../../../../../../../../../..\n", "~ \\x00\n",
		"~ //././/\n",
	};
	const char *with = ends[below(c, sizeof(ends) / sizeof(ends[0]))];
	size_t len, at = pick_line(c, t, &len);

	(void)o;
	splice(t, at, len, with, strlen(with));
}

/* The number at or behind a place. */
static void change_number(struct chance *c, struct text *t,
			  const struct text *o)
{
	static const char *const numbers[] = {
		"0", "1", "2", "7", "8", "255", "256", "511", "512", "4095",
		"4096", "4097", "65535", "65536", "2147483647", "2147483648",
		"4294967295", "4294967296", "9223372036854775807",
		"9223372036854775808", "18446744073709551615",
		"18446744073709551616", "-1", "00", "",
		"340282366920938463463374607431768211456",
	};
	const char *with = numbers[below(c, sizeof(numbers) /
					    sizeof(numbers[0]))];
	size_t at = below(c, t->len), end;

	(void)o;
	at += strcspn(t->bytes + at, "0123456789");
	end = at + strspn(t->bytes + at, "0123456789");
	if (at > t->len || end > t->len)
		return;
	splice(t, at, end - at, with, strlen(with));
}

/* A byte of a page. */
static void change_hex(struct chance *c, struct text *t, const struct text *o)
{
	size_t len, at = pick_line(c, t, &len), byte;
	char digits[3];

	(void)o;
	if (len < 10 || t->bytes[at] != ':')
		return;
	byte = at + 7 + 3 * below(c, (len - 8) / 3 + 1);
	if (byte + 2 >= at + len)
		return;
	snprintf(digits, sizeof(digits), "%02x",
		 below(c, 2) ? 0xffu * (unsigned int)below(c, 2) :
			       (unsigned int)below(c, 256));
	splice(t, byte, 2, digits, 2);
}

static void change_byte(struct chance *c, struct text *t, const struct text *o)
{
	char byte = (char)draw(c);

	(void)o;
	if (t->len)
		splice(t, below(c, t->len), below(c, 2), &byte, 1);
}

static void cut(struct chance *c, struct text *t, const struct text *o)
{
	size_t at = below(c, t->len), len = below(c, t->len - at);

	(void)o;
	splice(t, at, below(c, 4) ? below(c, len) : len, NULL, 0);
}

/* Where a page's line says that it belongs. */
static void change_offset(struct chance *c, struct text *t,
			  const struct text *o)
{
	static const char *const offsets[] = {
		"0000", "0001", "000f", "0010", "0fff", "0ff8", "1000",
		"ffff", "7fffffff", "ffffffff",
	};
	const char *with = offsets[below(c, sizeof(offsets) /
					    sizeof(offsets[0]))];
	size_t len, at = pick_line(c, t, &len);

	(void)o;
	if (len > 7 && t->bytes[at] == ':')
		splice(t, at + 2, 4, with, strlen(with));
}

/* What a dump, mountinfo, a terminal or UTF-8 take for something special. */
static void escape(struct chance *c, struct text *t, const struct text *o)
{
	static const char *const escapes[] = {
		"\\x1b[31m", "\\x00", "\\x0a", "\\x0d", "\\x7f", "\\x5c",
		"\\xff", "\\xc2\\x85", "\\xc3\\xa9", "\\xed\\xa0\\x80",
		"\\xf4\\x90\\x80\\x80", "\\x5c040", "\\x5c033", "\\x",
		"%s%n",
	};
	const char *with = escapes[below(c, sizeof(escapes) /
					    sizeof(escapes[0]))];
	size_t len, at = pick_line(c, t, &len);

	(void)o;
	splice(t, at + below(c, len), 0, with, strlen(with));
}

/* A line that is very long. */
static void stretch(struct chance *c, struct text *t, const struct text *o)
{
	size_t len, at = pick_line(c, t, &len), n = 1 + below(c, 20000);
	char *much = malloc(n);

	(void)o;
	if (!much)
		abort();
	memset(much, "a/ ,\\=0."[below(c, 8)], n);
	splice(t, at + len / 2, 0, much, n);
	free(much);
}

struct text mutate(const struct text *texts, size_t n, uint64_t seed,
		   uint64_t round)
{
	static void (*const changes[])(struct chance *c, struct text *t,
				       const struct text *o) = {
		drop_line, add_line, exchange_line, exchange_line, fail_line,
		fail_line, turn_link, change_number, change_number,
		change_number, change_hex, change_hex, change_offset,
		change_byte, escape, escape, cut, stretch,
	};
	/* Neighbouring numbers have to give quite different changes, and
	 * none may be 0. */
	struct chance c = {
		.state = (seed * 0x9e3779b97f4a7c15ull ^
			  (round + 1) * 0xbf58476d1ce4e5b9ull) | 1,
	};
	struct text t;
	size_t i;

	for (i = 0; i < 8; i++)
		draw(&c);
	t = copy(&texts[below(&c, n)]);
	for (i = 1 + below(&c, CHANGES_MAX); i; i--)
		changes[below(&c, sizeof(changes) / sizeof(changes[0]))](
			&c, &t, &texts[below(&c, n)]);
	/* Most that lost their end would be no more than that. */
	if (below(&c, 16))
		splice(&t, t.len, 0, "\nend\n", 5);
	return t;
}
