/*
 * probe/replay.h - a machine that answers from what was kept.
 *
 * A question that is not there has the answer JNL_UNANSWERED: nothing is ever
 * asked of the machine that the replay runs on.
 */
#ifndef JNL_PROBE_REPLAY_H
#define JNL_PROBE_REPLAY_H

#include "probe/answers.h"

struct jnl_replay {
	struct jnl_machine machine;	/* first: it is the object */
	const struct jnl_answers *answers;
};

/* The answers stay the caller's and outlive r. */
void jnl_replay_init(struct jnl_replay *r, const struct jnl_answers *answers);

#endif
