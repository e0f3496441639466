/*
 * lib/method.h - the methods of making an append durable, and what each needs.
 *
 * A method names its needs as bits and never looks a fact up itself: probe/
 * turns facts into the same bits and compares.  The order of the table is the
 * order of preference.
 */
#ifndef JNL_LIB_METHOD_H
#define JNL_LIB_METHOD_H

#include <stdbool.h>
#include <stddef.h>

enum jnl_need {
	/* The file system does not drop or skip cache flushes. */
	JNL_NEED_BARRIER	= 1 << 0,
	/* What is flushed outlives the power (not tmpfs). */
	JNL_NEED_STABLE		= 1 << 1,
	/* O_DIRECT writes were tried and worked in this directory (or are
	 * reported to, where a full file system leaves no room to try). */
	JNL_NEED_DIRECT_IO	= 1 << 2,
	/* fdatasync or fsync was tried and worked in this directory. */
	JNL_NEED_FLUSH		= 1 << 3,
	/* The place lies straight on an NVMe namespace or a partition of it,
	 * with nothing in between that maps or copies. */
	JNL_NEED_NAMESPACE	= 1 << 4,
	/* The subsystem has one controller: a Flush that is sent by one need
	 * not cover what was written by another. */
	JNL_NEED_ONE_CONTROLLER	= 1 << 5,
	/* Written extents are overwritten in place, and an overwrite needs
	 * nothing else to be found again: no journalled data, no sharing. */
	JNL_NEED_IN_PLACE	= 1 << 6,
	/* The namespace's generic device opens, and Flush was tried there. */
	JNL_NEED_PASSTHROUGH	= 1 << 7,
};

struct jnl_method {
	const char *name;	/* as users write it */
	const char *summary;	/* one line, for people */
	unsigned int needs;	/* JNL_NEED_* */
	bool on_request;	/* never chosen, unless it was asked for */
};

/* The one that JOURNAL_PASSTHROUGH is about. */
#define JNL_METHOD_PASSTHROUGH	"nvme-flush"

/* The i-th method in order of preference, or NULL past the last. */
const struct jnl_method *jnl_method_at(size_t i);
const struct jnl_method *jnl_method_find(const char *name);

#endif
