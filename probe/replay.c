/*
 * probe/replay.c - a machine that answers from what was kept.
 */
#include "config.h"

#include <string.h>

#include "probe/replay.h"

static void ask(struct jnl_machine *m, enum jnl_question kind,
		const char *subject, size_t max, struct jnl_answer *ret_answer)
{
	struct jnl_replay *r = (struct jnl_replay *)m;
	const struct jnl_kept *kept;

	kept = jnl_answers_find(r->answers, kind, subject);
	if (kept) {
		jnl_answers_give(kept, max, ret_answer);
		return;
	}
	memset(ret_answer, 0, sizeof(*ret_answer));
	ret_answer->error = JNL_UNANSWERED;
}

void jnl_replay_init(struct jnl_replay *r, const struct jnl_answers *answers)
{
	r->machine.ask = ask;
	r->answers = answers;
}
