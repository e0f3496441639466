/*
 * probe/carrier.c - who can carry a write, and why not.
 *
 * pwritev2(2) is there on every kernel that the library runs on.  io_uring is
 * refused in more ways than any other interface; a driver that met one of them
 * and a probe that tried say so in the same words: the fact that speaks
 * against it first, then what would help.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/facts.h"
#include "probe/needs.h"

static bool forbidden(int error)
{
	return error == -EPERM || error == -EACCES;
}

/* The switch, if it can be what said no. */
static char *by_sysctl(journal_probe *p, int error)
{
	const struct journal_fact *f = &p->facts[JNL_KERNEL_URING_DISABLED];

	if (!forbidden(error) || !f->value)
		return NULL;
	if (f->value == 1)
		return jnl_probe_format(p, "%s=1: io_uring is for root and the "
					"group of kernel.io_uring_group only; "
					"join it, or sysctl -w "
					"kernel.io_uring_disabled=0", f->name);
	return jnl_probe_format(p, "%s=2: io_uring is switched off for "
				"everybody; sysctl -w "
				"kernel.io_uring_disabled=0", f->name);
}

static char *ring_refused(journal_probe *p, int error, enum jnl_fact *ret_fact)
{
	const char *memlock = jnl_fact_name(JNL_KERNEL_MEMLOCK_BYTES);
	char *text = by_sysctl(p, error);

	*ret_fact = JNL_KERNEL_URING_DISABLED;
	if (text)
		return text;
	*ret_fact = JNL_KERNEL_SECCOMP;
	if ((forbidden(error) || error == -ENOSYS) &&
	    jnl_fact_is(p, JNL_KERNEL_SECCOMP, "filter"))
		return jnl_probe_format(p, "%s=filter: io_uring is forbidden "
					"to this process (%s); let the filter "
					"pass io_uring_setup, io_uring_enter "
					"and io_uring_register",
					jnl_fact_name(JNL_KERNEL_SECCOMP),
					jnl_why(error));
	*ret_fact = JNL_KERNEL_MEMLOCK_BYTES;
	if (error == -ENOMEM && jnl_fact_known(p, JNL_KERNEL_MEMLOCK_BYTES) &&
	    !p->facts[JNL_KERNEL_MEMLOCK_BYTES].text)
		return jnl_probe_format(p, "%s=%llu: that is too little memory "
					"that may be locked; ulimit -l "
					"unlimited, LimitMEMLOCK=infinity",
					memlock, (unsigned long long)
					p->facts[JNL_KERNEL_MEMLOCK_BYTES].value);
	*ret_fact = JNL_KERNEL_URING;
	return jnl_probe_format(p, "%s: %s; %s", jnl_fact_name(*ret_fact),
				error ? jnl_why(error) : "it was not tried",
				error == -ENOSYS ?
				"use Linux 5.6 or newer, with CONFIG_IO_URING" :
				forbidden(error) ?
				"see what a security module forbids" :
				error == -EMFILE || error == -ENFILE ?
				"let it open more files, ulimit -n" :
				"see the kernel log");
}

/* The first thing that a ring which writes needs and that is not there. */
static char *lacking(journal_probe *p, enum jnl_fact *ret_fact)
{
	static const enum jnl_fact needed[] = {
		JNL_KERNEL_URING_WRITE, JNL_KERNEL_URING_FSYNC,
		JNL_KERNEL_URING_FILES, JNL_KERNEL_URING_R_DISABLED,
	};
	const struct journal_fact *f;
	size_t i;

	for (i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		f = &p->facts[needed[i]];
		if (f->state != JOURNAL_FACT_UNKNOWN && f->value)
			continue;
		*ret_fact = needed[i];
		return jnl_probe_format(p, "%s: %s; use Linux 5.12 or newer",
					f->name, f->error ? jnl_why(f->error) :
					"it is missing");
	}
	return NULL;
}

void jnl_carrier_judge(journal_probe *p)
{
	const struct journal_fact *f = &p->facts[JNL_KERNEL_URING];
	enum jnl_fact fact = JNL_FACT_COUNT;

	if (f->state != JOURNAL_FACT_TRIED || !f->value)
		p->ring_reason = ring_refused(p, f->error, &fact);
	else
		p->ring_reason = lacking(p, &fact);
	p->ring_fact = fact;
	/* A refusal whose text found no memory is a refusal. */
	if (fact == JNL_FACT_COUNT)
		p->ring_reason = jnl_probe_strdup(p, "a ring was made here");
}

const char *jnl_probe_ring_refused(journal_probe *p, const char *call,
				   int error)
{
	enum jnl_fact fact;

	free(p->ring_words);
	p->ring_words = NULL;
	/* What the kernel said to a later call is about that call. */
	if (!strcmp(call, "io_uring_setup"))
		p->ring_words = ring_refused(p, error, &fact);
	else
		p->ring_words = jnl_probe_format(p, "%s: %s", call,
						 jnl_why(error));
	return p->ring_words ? p->ring_words : jnl_why(error);
}

int journal_probe_carrier_at(const journal_probe *p, size_t i,
			     struct journal_probe_carrier *ret_carrier)
{
	struct journal_probe_carrier c = {
		.name = "pwritev2", .usable = 1, .fact = "",
		.reason = "it needs nothing",
	};

	if (!p || !ret_carrier)
		return -EINVAL;
	if (i > 1)
		return -ENOENT;
	if (i == 1) {
		c.name = "io_uring";
		c.usable = p->ring_fact == JNL_FACT_COUNT;
		c.fact = c.usable ? "" : jnl_fact_name(p->ring_fact);
		c.reason = p->ring_reason ? p->ring_reason : "";
	}
	*ret_carrier = c;
	return 0;
}
