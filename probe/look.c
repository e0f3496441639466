/*
 * probe/look.c - how journal-probe's screen looks: colours, columns, folding.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "probe/look.h"
#include "probe/show.h"

#define UNLIMITED	((size_t)1 << 20)

void jnl_look_init(struct jnl_look *l, FILE *out, bool colour, size_t width)
{
	*l = (struct jnl_look){
		.out = out,
		.bold = colour ? "\033[1m" : "",
		.good = colour ? "\033[32m" : "",
		.bad = colour ? "\033[31m" : "",
		.dim = colour ? "\033[2m" : "",
		.plain = colour ? "\033[0m" : "",
		.width = width,
	};
}

char *jnl_printable(const char *s)
{
	char *copy = malloc(strlen(s) + 1), *to = copy;
	uint32_t c;
	size_t len;

	if (!copy)
		return NULL;
	while (*s) {
		len = jnl_utf8(s, &c);
		if (!len || c < 0x20 || (c >= 0x7f && c < 0xa0)) {
			*to++ = '?';
			s += len ? len : 1;
			continue;
		}
		memcpy(to, s, len);
		to += len;
		s += len;
	}
	*to = '\0';
	return copy;
}

size_t jnl_columns(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		if (((unsigned char)*s & 0xc0) != 0x80)
			n++;
	return n;
}

size_t jnl_fold(const char *s, size_t width)
{
	size_t bytes = 0, used = 0, good = 0;

	if (jnl_columns(s) <= width)
		return strlen(s);
	for (; s[bytes]; bytes++) {
		if (((unsigned char)s[bytes] & 0xc0) == 0x80)
			continue;
		if (used++ == width)
			break;
		if (bytes && strchr("/, ", s[bytes - 1]))
			good = bytes;
	}
	if (strchr("/, ", s[bytes - 1]))
		good = bytes;
	return good ? good : bytes;
}

void jnl_pad(FILE *out, size_t n)
{
	fprintf(out, "%*s", (int)n, "");
}

size_t jnl_print(FILE *out, const char *s, size_t bytes)
{
	size_t i, used = 0;

	for (i = 0; i < bytes; i++)
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			used++;
	fwrite(s, 1, bytes, out);
	return used;
}

void jnl_paragraph(const struct jnl_look *l, const char *text, size_t indent)
{
	size_t width = l->width ? l->width - indent : UNLIMITED;
	char *copy = jnl_printable(text);
	const char *s = copy;

	while (s && *s) {
		size_t bytes = jnl_fold(s, width), end = bytes;

		while (end && s[end - 1] == ' ')
			end--;
		jnl_pad(l->out, s == copy ? 0 : indent);
		fprintf(l->out, "%.*s\n", (int)end, s);
		s += bytes;
	}
	free(copy);
}

