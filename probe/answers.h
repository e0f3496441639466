/*
 * probe/answers.h - what a machine answered, kept.
 *
 * A set of answers holds one for each question, in the order in which they
 * were added.  It is what a recorder fills, what a dump writes down, and what
 * a replay answers from.
 *
 * Sizes are bounded whoever fills it, also by a hostile dump: at most
 * JNL_ANSWERS_MAX answers and JNL_ANSWERS_MAX_BYTES bytes in all.
 */
#ifndef JNL_PROBE_ANSWERS_H
#define JNL_PROBE_ANSWERS_H

#include "probe/machine.h"

#define JNL_ANSWERS_MAX		65536u
/* Twice the largest file that a prober reads. */
#define JNL_ANSWERS_MAX_BYTES	(64u << 20)

struct jnl_kept {
	enum jnl_question kind;
	char *subject;
	int error;	/* negative errno, or 0 and */
	char *data;	/* len bytes and a NUL behind them */
	size_t len;
};

struct jnl_answers {
	size_t count;
	struct jnl_kept **kept;	/* in the order of adding */
	size_t room;
	size_t bytes;		/* all subjects and data */
	void *index;		/* tsearch(3), by kind and subject */
};

void jnl_answers_init(struct jnl_answers *a);
void jnl_answers_free(struct jnl_answers *a);

/*
 * Copies subject and data (data only if error is 0; may be NULL if len is 0).
 * -EEXIST: it has an answer already; -EFBIG: one too many, or too long;
 * -ENOMEM.  Nothing is changed then.
 */
int jnl_answers_add(struct jnl_answers *a, enum jnl_question kind,
		    const char *subject, int error, const char *data,
		    size_t len);

/* NULL: no such question. */
const struct jnl_kept *jnl_answers_find(const struct jnl_answers *a,
					enum jnl_question kind,
					const char *subject);

/* Another answer to the i-th question.  -EFBIG, -ENOMEM: it stays. */
int jnl_answers_replace(struct jnl_answers *a, size_t i, int error,
			const char *data, size_t len);

/* Nothing but this error (negative errno) as the answer to a question that
 * has one. */
void jnl_answers_fail(struct jnl_answers *a, enum jnl_question kind,
		      const char *subject, int error);

/* What is kept, as struct jnl_machine gives it: at most max bytes, a copy. */
void jnl_answers_give(const struct jnl_kept *kept, size_t max,
		      struct jnl_answer *ret_answer);

#endif
