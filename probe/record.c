/*
 * probe/record.c - a machine that asks another one and keeps the answers.
 */
#include "config.h"

#include "probe/record.h"

/*
 * A try is carried out each time that it is asked for: a later one may flush
 * what an earlier one did not.  Of two ends the worse one is kept: a replay may
 * then say less than the probe did, never more.
 */
static bool worse(const struct jnl_kept *kept, const struct jnl_answer *a)
{
	return a->error < 0 && !kept->error;
}

static void again(struct jnl_record *r, const struct jnl_kept *kept,
		  size_t max, struct jnl_answer *ret_answer)
{
	if (kept->kind != JNL_ASK_TRY) {
		jnl_answers_give(kept, max, ret_answer);
		return;
	}
	r->from->ask(r->from, kept->kind, kept->subject, max, ret_answer);
	if (worse(kept, ret_answer))
		jnl_answers_fail(r->answers, kept->kind, kept->subject,
				 ret_answer->error);
}

static void ask(struct jnl_machine *m, enum jnl_question kind,
		const char *subject, size_t max, struct jnl_answer *ret_answer)
{
	struct jnl_record *r = (struct jnl_record *)m;
	const struct jnl_kept *kept;
	int ret;

	kept = jnl_answers_find(r->answers, kind, subject);
	if (kept) {
		again(r, kept, max, ret_answer);
		return;
	}
	r->from->ask(r->from, kind, subject, max, ret_answer);
	ret = jnl_answers_add(r->answers, kind, subject, ret_answer->error,
			      ret_answer->data, ret_answer->len);
	if (ret < 0 && !r->error)
		r->error = ret;
}

void jnl_record_init(struct jnl_record *r, struct jnl_machine *from,
		     struct jnl_answers *answers)
{
	r->machine.ask = ask;
	r->from = from;
	r->answers = answers;
	r->error = 0;
}
