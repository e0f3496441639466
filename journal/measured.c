/*
 * journal/measured.c - opening with a measured choice.
 *
 * A measured choice is advice: with all of it missing, damaged or out of date
 * a journal opens as it would without, and one line in the trail says what
 * became of it.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/error.h"
#include "journal/lock.h"
#include "journal/measured.h"
#include "journal/raw.h"
#include "probe/measure.h"

/* What JOURNAL_MEASURE may take and write. */
#define TOTAL_NS	1000000000u
#define FILL_SHARE	20u	/* one part in so many for each file */
#define FILE_BYTES	(4u * 1024 * 1024)
#define PAIR_BYTES	(64u * 1024 * 1024)
#define ROUNDS		4u

__attribute__((format(printf, 2, 3)))
static void note(struct jnl_advice *a, const char *fmt, ...)
{
	char *line;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&line, fmt, ap) < 0)
		line = NULL;
	va_end(ap);
	free(a->line);
	a->line = line;
}

static void note_kept(struct jnl_advice *a, const char *became)
{
	const struct jnl_kept_choice *k = &a->kept;

	note(a, "%s, driver %s, carrier %s (%" PRIu64 " us "
	     "alone, %" PRIu64 " us among many%s; %s): %s", k->method,
	     k->driver, k->carrier, k->alone_ns / 1000, k->many_ns / 1000,
	     a->against, k->machine, became);
}

/*
 * Whether what goes past the kernel's flushes may be chosen because it was
 * measured to be faster.  Where the journal has a whole namespace its writer
 * has all the access to it that there is, and the flag would give nothing.
 */
static bool may_pass(const journal *j, const struct journal_options *o)
{
	return o->flags & JOURNAL_PASSTHROUGH ||
	       jnl_probe_whole_namespace(j->probe);
}

/* ------------------------------------------------------------------------
 * Where it comes from
 */

/* The first failure tells most. */
static void note_nothing(struct jnl_advice *a, const struct jnl_measure *m)
{
	const struct jnl_measure_pair *pair;

	for (size_t i = 0; (pair = jnl_measure_at(m, i)); i++) {
		if (!pair->err)
			continue;
		note(a, "none: nothing could be measured: "
		     "%s: %s", pair->failed, jnl_system_words(pair->err));
		return;
	}
	note(a, "none: too little could be measured in the "
	     "time");
}

/* How it compares, if the drive's Flush was one of the ways. */
static void note_other(struct jnl_advice *a, const struct jnl_measure *m,
		       uint32_t depth)
{
	const char *other = a->kept.method;
	struct jnl_measured it;

	other = strcmp(other, JNL_METHOD_PASSTHROUGH) ?
		JNL_METHOD_PASSTHROUGH : "direct";
	if (jnl_measure_judge_method(m, depth, other, &it) < 0)
		return;
	(void)snprintf(a->against, sizeof(a->against), ", against %s with %"
		       PRIu64 " us and %" PRIu64 " us", it.method,
		       it.alone_ns / 1000, it.many_ns / 1000);
}

static void conclude(journal *j, const struct jnl_measure *m, uint32_t depth,
		     bool passthrough)
{
	struct jnl_advice *a = &j->advice;
	char why[JNL_CHOICE_WHY];
	struct jnl_measured best;

	if (jnl_measure_judge(m, depth, &best) < 0) {
		note_nothing(a, m);
		return;
	}
	a->text = jnl_choice_format(j->probe, &best, passthrough);
	/* What is not worth keeping is not worth following: one rule for
	 * what is known of the machine. */
	if (!a->text || jnl_choice_parse(a->text, strlen(a->text), j->probe,
					 &a->kept, why) < 0) {
		note(a, "none: %s", a->text ? why :
		     jnl_system_words(-ENOMEM));
		free(a->text);
		a->text = NULL;
		return;
	}
	note_other(a, m, depth);
}

/* A directory has the room of its file system. */
static bool get_room(journal *j, struct jnl_measure_config *cfg)
{
	struct jnl_sys *sys = j->dir.sys;

	if (!jnl_is_raw(sys))
		return true;
	cfg->base = jnl_raw_base;
	cfg->holds = true;
	cfg->hold_fd = j->lock_fd;
	cfg->file_bytes = jnl_raw_room(sys, FILE_BYTES);
	if (cfg->file_bytes) {
		/* Whoever comes after our death waits for the last write. */
		(void)jnl_lock_sign(sys, j->lock_fd);
		return true;
	}
	note(&j->advice, "none: the device has no room to measure in, 2 MiB "
	     "side by side where no segment is: give records back and measure "
	     "again");
	return false;
}

static void measure(journal *j, const struct journal_options *o,
		    const struct jnl_env *env)
{
	uint32_t depth = o->queue_depth ? o->queue_depth : JNL_DEPTH_DEFAULT;
	uint64_t total_ns = env->measure_ns ? env->measure_ns : TOTAL_NS;
	struct jnl_measure_config cfg = {
		.total_ns = total_ns,
		.pair_bytes = PAIR_BYTES,
		.fill_ns = total_ns / FILL_SHARE,
		.file_bytes = FILE_BYTES,
		.rounds = ROUNDS,
		.depths = { 1, depth > 1 ? depth : 0 },
		.allow_volatile = o->flags & JOURNAL_VOLATILE,
		.on_request = may_pass(j, o),
	};
	struct jnl_measure *m;
	bool lost = false;
	int ret;

	if (!get_room(j, &cfg))
		return;
	ret = jnl_measure_new(&m, j->dir.sys, j->dir.fd, j->probe, &cfg);
	if (ret < 0) {
		note(&j->advice, "none: %s",
		     jnl_system_words(ret));
	} else {
		while (jnl_measure_step(m))
			;
		conclude(j, m, depth, cfg.on_request);
		lost = jnl_measure_lost(m);
		jnl_measure_free(m);
	}
	if (!jnl_is_raw(j->dir.sys))
		return;
	/* A lost ring's writes may land on slots that are in use by then. */
	j->advice.lost = lost;
	if (!lost)
		jnl_raw_room_end(j->dir.sys);
}

static void read_kept(journal *j)
{
	struct jnl_advice *a = &j->advice;
	char why[JNL_CHOICE_WHY];
	int ret;

	ret = jnl_choice_read(j->dir.sys, j->dir.fd, j->probe, &a->kept, why);
	if (ret < 0 && ret != -ENOENT)
		note(a, "ignored: %s", why);
}

/* ------------------------------------------------------------------------
 * What becomes of it
 */

/* Try the method that is kept.  True: *ret_choice is it. */
static bool follow(journal *j, const struct journal_options *o,
		   uint32_t block_max, struct jnl_choice *ret_choice)
{
	struct jnl_advice *a = &j->advice;
	bool passthrough = may_pass(j, o);
	struct jnl_choice choice;
	const char *reason = "";

	if (!o->method && a->kept.passthrough != passthrough) {
		note_kept(a, passthrough ? "ignored: it was measured without "
			  "JOURNAL_PASSTHROUGH: measure again" :
			  "ignored: it was measured with JOURNAL_PASSTHROUGH: "
			  "measure again");
		return false;
	}
	if (jnl_probe_choose(j->probe, a->kept.method,
			     o->flags & JOURNAL_VOLATILE, &choice,
			     &reason) < 0) {
		note_kept(a, "ignored: that method is refused here");
		return false;
	}
	if (choice.block_size > block_max) {
		note_kept(a, "ignored: it needs larger blocks than the "
			  "journal's");
		return false;
	}
	*ret_choice = choice;
	return true;
}

/*
 * The method that was asked for, or the best.  JOURNAL_PASSTHROUGH is a
 * permission: where the method that needs it is not to be had, it changes
 * nothing.
 */
static int ask_probe(journal *j, const struct journal_options *o,
		     struct jnl_choice *ret_choice, const char **ret_reason)
{
	bool allow_volatile = o->flags & JOURNAL_VOLATILE;
	int ret = -EOPNOTSUPP;

	if (!o->method && o->flags & JOURNAL_PASSTHROUGH)
		ret = jnl_probe_choose(j->probe, JNL_METHOD_PASSTHROUGH,
				       allow_volatile, ret_choice, ret_reason);
	if (ret == -EOPNOTSUPP || ret == -EINVAL)
		ret = jnl_probe_choose(j->probe, o->method, allow_volatile,
				       ret_choice, ret_reason);
	return ret;
}

int jnl_measured_choose(journal *j, const struct journal_options *o,
			const struct jnl_env *env, uint32_t block_max,
			struct jnl_choice *ret_choice,
			const char **ret_reason)
{
	struct jnl_advice *a = &j->advice;
	bool followed;

	if (o->flags & JOURNAL_MEASURE)
		measure(j, o, env);
	/* What is there is another journal's, and goes. */
	else if (!(o->flags & JOURNAL_OVERWRITE))
		read_kept(j);
	if (!a->kept.method)
		return ask_probe(j, o, ret_choice, ret_reason);
	if (o->method && strcmp(o->method, a->kept.method)) {
		note_kept(a, "not used: another method was asked for");
		followed = false;
	} else {
		followed = follow(j, o, block_max, ret_choice);
	}
	if (followed)
		note_kept(a, o->driver || o->carrier ? "used but for driver "
			  "and carrier, which were asked for" : "used");
	/* They were measured with that method. */
	if (!followed || o->driver || o->carrier)
		a->kept.driver = NULL;
	if (followed)
		return 0;
	return ask_probe(j, o, ret_choice, ret_reason);
}

int jnl_measured_keep(journal *j)
{
	struct jnl_advice *a = &j->advice;
	char *was = a->line;
	bool final;
	int ret;

	if (!a->text)
		return 0;
	ret = jnl_choice_write(&j->dir, a->text, &final);
	free(a->text);
	a->text = NULL;
	if (!ret || final)
		return ret;
	a->line = NULL;
	note(a, "%s; it could not be kept: %s", was ? was : "measured",
	     jnl_system_words(ret));
	free(was);
	return 0;
}

void jnl_measured_look(journal *j, struct jnl_sys *sys, int dirfd)
{
	struct jnl_advice *a = &j->advice;
	char why[JNL_CHOICE_WHY];
	int ret;

	ret = jnl_choice_read(sys, dirfd, NULL, &a->kept, why);
	if (ret == -ENOENT)
		return;
	if (ret < 0)
		note(a, "ignored: %s", why);
	else
		note_kept(a, "used at open if nothing has changed");
}

void jnl_measured_free(journal *j)
{
	free(j->advice.line);
	free(j->advice.text);
}
