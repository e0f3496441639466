/*
 * probe/look.h - how journal-probe's screen looks: colours, columns, folding.
 *
 * Other people's bytes pass through jnl_printable() before anything here
 * prints them.
 */
#ifndef JNL_PROBE_LOOK_H
#define JNL_PROBE_LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct jnl_look {
	FILE *out;
	const char *bold, *good, *bad, *dim, *plain;	/* "" without colour */
	size_t width;		/* columns; 0: no limit */
};

void jnl_look_init(struct jnl_look *l, FILE *out, bool colour, size_t width);

/* A copy with nothing in it that could move a cursor; NULL without memory. */
char *jnl_printable(const char *s);

/* Columns that s takes, if each character takes one. */
size_t jnl_columns(const char *s);

/* How many bytes of s to put on a line of so many columns. */
size_t jnl_fold(const char *s, size_t width);

void jnl_pad(FILE *out, size_t n);

/* So many bytes of s; returns the columns they take. */
size_t jnl_print(FILE *out, const char *s, size_t bytes);

/*
 * Words folded at the width, every line but the first indented; so many
 * columns of the first are used already.
 */
void jnl_paragraph(const struct jnl_look *l, const char *text, size_t indent);

#endif
