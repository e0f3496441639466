/*
 * probe/io_uring.c - what io_uring can do for this process: it is tried.
 *
 * A kernel that does not know a flag says EINVAL, and that is an answer.  Any
 * other error (EPERM: a sandbox or kernel.io_uring_disabled; ENOMEM: memory
 * that may be locked) says nothing about the flag: it stays unknown.  Without
 * a ring nothing else is tried.
 */
#include "config.h"

#include <errno.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>

#include "probe/ask.h"
#include "probe/facts.h"

/* linux/io_uring.h; the headers of older kernels lack some.  ABI. */
#define SETUP_SQPOLL		(1u << 1)
#define SETUP_R_DISABLED	(1u << 6)
#define SETUP_SUBMIT_ALL	(1u << 7)
#define SETUP_COOP_TASKRUN	(1u << 8)
#define SETUP_SQE128		(1u << 10)
#define SETUP_CQE32		(1u << 11)
#define SETUP_SINGLE_ISSUER	(1u << 12)
#define SETUP_DEFER_TASKRUN	(1u << 13)
#define OP_URING_CMD		46

/* Of the size that a journal's buffers have at the defaults. */
#define BUFFERS_BYTES	(4u << 20)

static const char setup[] = "io_uring_setup(2)";
static const char registering[] = "io_uring_register(2)";

static const struct {
	enum jnl_fact fact;
	unsigned int flags;
} flags[] = {
	{ JNL_KERNEL_URING_SUBMIT_ALL, SETUP_SUBMIT_ALL },
	{ JNL_KERNEL_URING_COOP_TASKRUN, SETUP_COOP_TASKRUN },
	{ JNL_KERNEL_URING_SINGLE_ISSUER, SETUP_SINGLE_ISSUER },
	/* Alone it is EINVAL everywhere. */
	{ JNL_KERNEL_URING_DEFER_TASKRUN, SETUP_SINGLE_ISSUER |
					  SETUP_DEFER_TASKRUN },
	{ JNL_KERNEL_URING_R_DISABLED, SETUP_R_DISABLED },
	{ JNL_KERNEL_URING_SQPOLL, SETUP_SQPOLL },
	{ JNL_KERNEL_URING_SQE128_CQE32, SETUP_SQE128 | SETUP_CQE32 },
};

static const struct {
	enum jnl_fact fact;
	unsigned int op;
} ops[] = {
	{ JNL_KERNEL_URING_WRITE, IORING_OP_WRITE },
	{ JNL_KERNEL_URING_WRITE_FIXED, IORING_OP_WRITE_FIXED },
	{ JNL_KERNEL_URING_FSYNC, IORING_OP_FSYNC },
	{ JNL_KERNEL_URING_URING_CMD, OP_URING_CMD },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Returns 0 if it worked. */
static int try(journal_probe *p, enum jnl_fact fact, const char *subject,
	       const char *source)
{
	int ret = jnl_ask_try(p->machine, subject);

	if (ret == 0)
		jnl_fact_number(p, fact, JOURNAL_FACT_TRIED, 1, source);
	else if (ret == -EINVAL || ret == -ENOSYS)
		jnl_fact_refused(p, fact, ret, source);
	else
		jnl_fact_unknown(p, fact, ret, source);
	return ret;
}

/* A ring at all: everything that the kernel refuses it with is an answer. */
static int try_ring(journal_probe *p)
{
	int ret = jnl_ask_try(p->machine, "io_uring 0x0");

	if (ret == 0)
		jnl_fact_number(p, JNL_KERNEL_URING, JOURNAL_FACT_TRIED, 1,
				setup);
	else if (ret == -ENOSYS || ret == -EPERM || ret == -EACCES ||
		 ret == -ENOMEM || ret == -EINVAL)
		jnl_fact_refused(p, JNL_KERNEL_URING, ret, setup);
	else
		jnl_fact_unknown(p, JNL_KERNEL_URING, ret, setup);
	return ret;
}

static void set_ops(journal_probe *p)
{
	char *keys, key[16];
	uint64_t value;
	size_t i;
	int ret;

	ret = jnl_ask_keys(p->machine, JNL_ASK_TRY, "io_uring ops", &keys);
	for (i = 0; i < COUNT(ops); i++) {
		if (ret < 0) {
			jnl_fact_unknown(p, ops[i].fact, ret, registering);
			continue;
		}
		snprintf(key, sizeof(key), "op.%u", ops[i].op);
		jnl_fact_number(p, ops[i].fact, JOURNAL_FACT_REPORTED,
				jnl_key_number(keys, key, &value) == 0 &&
				value == 1, registering);
	}
	if (ret == 0)
		free(keys);
}

static void all_unknown(journal_probe *p, int error, const char *source)
{
	enum jnl_fact fact;

	for (fact = JNL_KERNEL_URING_SUBMIT_ALL;
	     fact <= JNL_KERNEL_URING_BUFFERS; fact++)
		jnl_fact_unknown(p, fact, error, source);
}

void jnl_prober_io_uring(journal_probe *p)
{
	char subject[32];
	size_t i;
	int ret;

	/* A driver that wants a ring makes its own and says how that went. */
	if (p->flags & JNL_PROBE_QUICK)
		return;
	ret = try_ring(p);
	if (ret < 0) {
		all_unknown(p, ret, setup);
		return;
	}
	for (i = 0; i < COUNT(flags); i++) {
		snprintf(subject, sizeof(subject), "io_uring 0x%x",
			 flags[i].flags);
		(void)try(p, flags[i].fact, subject, setup);
	}
	set_ops(p);
	(void)try(p, JNL_KERNEL_URING_FILES, "io_uring files", registering);
	snprintf(subject, sizeof(subject), "io_uring buffers %u",
		 BUFFERS_BYTES);
	(void)try(p, JNL_KERNEL_URING_BUFFERS, subject, registering);
}
