/*
 * journal/tool.h - what the commands of journal-tool share.
 *
 * The tool is an application like any other: it uses the public interface
 * and nothing else of the library.  Each command is one file and returns the
 * exit code; messages go to standard error, one line each, in the form
 * "journal-tool: where: what: what to do".
 */
#ifndef JNL_JOURNAL_TOOL_H
#define JNL_JOURNAL_TOOL_H

#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/journal.h"

enum jnl_exit {
	JNL_EXIT_DONE	= 0,
	JNL_EXIT_DAMAGE	= 1,	/* damage or loss was found */
	JNL_EXIT_ERROR	= 2,	/* wrong usage, or an error of the system */
};

/* The commands.  argv[0] is the command's name. */
int jnl_command_append(int argc, char **argv);
int jnl_command_cat(int argc, char **argv);
int jnl_command_info(int argc, char **argv);
int jnl_command_salvage(int argc, char **argv);
int jnl_command_stats(int argc, char **argv);
int jnl_command_trim(int argc, char **argv);
int jnl_command_verify(int argc, char **argv);

/* ------------------------------------------------------------------------
 * Messages and arguments (journal/tool-common.c)
 */

/* "journal-tool: where: message" */
void jnl_complain(const char *where, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Complain, point to the command's --help and return JNL_EXIT_ERROR. */
int jnl_usage_error(const char *command, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The exit code that belongs to a negative errno of the library. */
int jnl_exit_code(int err);

/*
 * Say what is wrong with dir; file is the file concerned, "" for none or if it
 * is dir itself.
 */
void jnl_complain_file(const char *dir, const char *file, const char *message);

/*
 * Say that the library failed on dir with err; error is its own account,
 * which may be empty or NULL.  Returns the exit code.
 */
int jnl_failed(const char *dir, int err, const struct journal_error *error);

/*
 * getopt_long() with our messages.  Returns as it does, but for '?' and ':':
 * then the message is out and the caller returns JNL_EXIT_ERROR.
 */
int jnl_getopt(int argc, char **argv, const struct option *longopts);

/* The one operand DIR, or NULL with the message out. */
const char *jnl_operand_dir(int argc, char **argv);

/* What a finding is called, and whether it means that acknowledged records
 * cannot be read back. */
const char *jnl_finding_name(uint32_t finding);
bool jnl_finding_damage(uint32_t finding);

/* Decimal digits only, within the limits. */
bool jnl_parse_u64(const char *text, uint64_t *ret_value);
/* The same, with an optional K, M, G or T (powers of 1024) behind it. */
bool jnl_parse_size(const char *text, uint64_t *ret_bytes);

/* ------------------------------------------------------------------------
 * Standard output (journal/tool-output.c)
 *
 * Bytes gather in one buffer and go out when it is full or flushed.  The
 * first failure stays: what follows is dropped, jnl_out_finish() tells.
 */

struct jnl_out {
	uint8_t *buf;
	size_t used;
	int error;		/* 0, or the negative errno of a write */
	/* Not NULL: once it is not 0, output that nobody takes for half a
	 * second is dropped, with -EINTR. */
	const volatile sig_atomic_t *stop;
};

/* -ENOMEM, or 0. */
int jnl_out_init(struct jnl_out *out);
void jnl_out_fini(struct jnl_out *out);
void jnl_out_put(struct jnl_out *out, const void *data, size_t len);
void jnl_out_text(struct jnl_out *out, const char *text);
/* The same, but what would move a cursor becomes '?'. */
void jnl_out_plain(struct jnl_out *out, const char *text);
void jnl_out_u64(struct jnl_out *out, uint64_t value);
void jnl_out_format(struct jnl_out *out, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
int jnl_out_flush(struct jnl_out *out);

/*
 * Flush and close standard output.  Returns code, or JNL_EXIT_ERROR with a
 * message if not everything could be written; a reader that went away (EPIPE)
 * knows that itself and gets no message.
 */
int jnl_out_finish(struct jnl_out *out, int code);

bool jnl_utf8_valid(const uint8_t *data, size_t len);
/* A JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void jnl_out_json_string(struct jnl_out *out, const void *data, size_t len);
void jnl_out_base64(struct jnl_out *out, const uint8_t *data, size_t len);

/* ------------------------------------------------------------------------
 * Commands that print one report (journal/tool-common.c)
 */

struct jnl_asked {
	bool json;
	bool holes;
	char **operand;		/* as many as there have to be */
};

struct jnl_report_command {
	const char *help;
	bool takes_holes;	/* it has the option --holes */
	bool takes_two;		/* operands, not one */
	/* Returns the exit code. */
	int (*run)(struct jnl_out *out, const struct jnl_asked *asked);
};

/* Everything about it but what it is; returns the exit code. */
int jnl_report_main(int argc, char **argv, const struct jnl_report_command *c);

/* ------------------------------------------------------------------------
 * Progress on a terminal (journal/tool-progress.c)
 */

struct jnl_progress {
	bool active;		/* somebody is there to see it */
	bool drawn;		/* a line stands on the terminal */
	uint64_t start_ns, last_ns;
	uint64_t total_bytes;	/* 0: not known */
};

/* Active only where standard error is a terminal and standard output none. */
void jnl_progress_init(struct jnl_progress *p, int input_fd);
/* Draws a few times a second, and nothing before the first second is over. */
void jnl_progress_show(struct jnl_progress *p, uint64_t records,
		       uint64_t bytes);
/* Take the line away, before a message or at the end. */
void jnl_progress_clear(struct jnl_progress *p);
/* For what prints nothing until it is done: total_bytes is set later, and
 * records are not counted. */
void jnl_progress_init_total(struct jnl_progress *p);

/* ------------------------------------------------------------------------
 * A journal read as a whole: progress, and what is lost
 * (journal/tool-holes.c)
 */

struct jnl_watch {
	struct jnl_progress progress;
	struct journal_hole *hole;
	size_t holes;
	int error;		/* 0, or why not all are there */
};

/* A journal_hole_fn and a journal_progress_fn; arg is a struct jnl_watch. */
void jnl_holes_add(void *arg, const struct journal_hole *hole);
void jnl_watch_progress(void *arg, uint64_t bytes, uint64_t total);
/* journal_verify(), watched, which begins here; -ENOMEM also for holes that
 * found no room. */
int jnl_watch_verify(struct jnl_watch *w, const char *dir,
		     struct journal_report *rep);
void jnl_watch_fini(struct jnl_watch *w);
/* One line for each; an array of objects. */
void jnl_holes_text(struct jnl_out *out, const struct jnl_watch *w);
void jnl_holes_json(struct jnl_out *out, const struct jnl_watch *w);

#endif
