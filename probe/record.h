/*
 * probe/record.h - a machine that asks another one and keeps the answers.
 *
 * What is asked again has the answer of the first time, so that the probe that
 * is recorded and the one that is replayed are told the same.  Tries are
 * carried out each time, and the worst of their answers is kept.
 */
#ifndef JNL_PROBE_RECORD_H
#define JNL_PROBE_RECORD_H

#include "probe/answers.h"

struct jnl_record {
	struct jnl_machine machine;	/* first: it is the object */
	struct jnl_machine *from;
	struct jnl_answers *answers;
	/*
	 * Why not everything was kept: -EFBIG, -ENOMEM, or 0.  Who asks gets
	 * the answer all the same, but there is no dump to be made of it.
	 */
	int error;
};

/* Both stay the caller's and outlive r. */
void jnl_record_init(struct jnl_record *r, struct jnl_machine *from,
		     struct jnl_answers *answers);

#endif
