/*
 * tests/unit/settle.h - wait until the library's own threads have nothing left
 * to do.
 *
 * A journal that has been idle for a moment gets a watermark, when its helper
 * comes to it: on a busy machine that may be any time later.  A test of what
 * does not happen, or happens once, waits for it first.  After that nothing is
 * written, and nobody is told or rung, until the test appends something.
 */
#ifndef TESTS_UNIT_SETTLE_H
#define TESTS_UNIT_SETTLE_H

#include <check.h>
#include <unistd.h>

#include "journal/core.h"

/* Returns the journal's end, below which everything is durable. */
static inline uint64_t settle(journal *j)
{
	uint64_t end;
	bool done;

	for (int i = 0;; i++) {
		pthread_mutex_lock(&j->lock);
		end = jnl_engine_end(&j->engine);
		done = j->engine.marked && j->engine.frontier == end &&
		       !j->observed.first && j->helper.parked;
		pthread_mutex_unlock(&j->lock);
		if (done)
			return end;
		ck_assert_int_lt(i, 20000);
		usleep(1000);
	}
}

#endif
