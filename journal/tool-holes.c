/*
 * journal/tool-holes.c - what is lost, gathered and printed.
 *
 * They are told one by one while a journal is read, and printed when it is
 * known that it could be.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "journal/tool.h"

void jnl_holes_add(void *arg, const struct journal_hole *hole)
{
	struct jnl_watch *w = arg;
	struct journal_hole *grown;
	size_t n = w->holes;

	if (w->error)
		return;
	/* Grow by doubling: the count is a power of two just when full. */
	if (!(n & (n - 1))) {
		grown = realloc(w->hole, sizeof(*grown) * (n ? 2 * n : 1));
		if (!grown) {
			w->error = -ENOMEM;
			return;
		}
		w->hole = grown;
	}
	w->hole[w->holes++] = *hole;
}

void jnl_watch_progress(void *arg, uint64_t bytes, uint64_t total)
{
	struct jnl_watch *w = arg;

	w->progress.total_bytes = total;
	jnl_progress_show(&w->progress, 0, bytes);
}

int jnl_watch_verify(struct jnl_watch *w, const char *dir,
		     struct journal_report *rep)
{
	int ret;

	*w = (struct jnl_watch){ 0 };
	*rep = (struct journal_report)JOURNAL_REPORT_INIT;
	jnl_progress_init_total(&w->progress);
	rep->on_hole = jnl_holes_add;
	rep->on_progress = jnl_watch_progress;
	rep->arg = w;
	ret = journal_verify(dir, rep);
	/* Beside a writer it may have begun again: the last ones count. */
	if (w->holes > rep->holes) {
		memmove(w->hole, w->hole + (w->holes - rep->holes),
			rep->holes * sizeof(*w->hole));
		w->holes = rep->holes;
	}
	jnl_progress_clear(&w->progress);
	return ret ? ret : w->error;
}

void jnl_watch_fini(struct jnl_watch *w)
{
	jnl_progress_clear(&w->progress);
	free(w->hole);
	w->hole = NULL;
	w->holes = 0;
}

void jnl_holes_text(struct jnl_out *out, const struct jnl_watch *w)
{
	for (size_t i = 0; i < w->holes; i++) {
		const struct journal_hole *hole = &w->hole[i];

		jnl_out_format(out, "hole:      %" PRIu64 " to %" PRIu64
			       ", %s: %s: %s\n", hole->from, hole->to,
			       hole->file, jnl_finding_name(hole->why),
			       hole->message);
	}
}

void jnl_holes_json(struct jnl_out *out, const struct jnl_watch *w)
{
	jnl_out_text(out, "[");
	for (size_t i = 0; i < w->holes; i++) {
		const struct journal_hole *hole = &w->hole[i];

		jnl_out_format(out, "%s{\"from\":%" PRIu64 ",\"to\":%" PRIu64
			       ",\"file\":", i ? "," : "", hole->from,
			       hole->to);
		jnl_out_json_string(out, hole->file, strlen(hole->file));
		jnl_out_format(out, ",\"why\":\"%s\",\"message\":",
			       jnl_finding_name(hole->why));
		jnl_out_json_string(out, hole->message, strlen(hole->message));
		jnl_out_text(out, "}");
	}
	jnl_out_text(out, "]");
}
