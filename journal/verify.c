/*
 * journal/verify.c - reading a whole journal and judging it.
 *
 * Recovery judges the end; what it starts from is trusted there, so here the
 * chain is walked from the first batch to the end that recovery found.  If
 * recovery itself finds damage, its finding is the report.  Where a writer gives
 * back what is being read, it begins again with what is left.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "journal/core.h"
#include "journal/error.h"

/* How often a writer may overtake it. */
#define TRIES	20
/* A read of so much is many commands to a drive, all of them at once. */
#define AHEAD		(4u * 1024 * 1024)
#define PROGRESS_EVERY	(1024u * 1024)

static bool is_finding(int ret)
{
	return ret == -EBADMSG || ret == -ENODATA || ret == -EXDEV;
}

static void say(struct journal_report *rep, int code,
		enum journal_finding finding, uint64_t lsn, const char *file,
		const char *message)
{
	rep->code = code;
	rep->finding = finding;
	rep->lsn = lsn;
	(void)snprintf(rep->file, sizeof(rep->file), "%s", file);
	(void)snprintf(rep->message, sizeof(rep->message), "%s", message);
}

/*
 * How much a finding at lsn covers: to the next batch of the same segment
 * whose header is good and where it says, or to the segment's end.
 */
static int extent(struct jnl_view *view, uint64_t seed, uint64_t lsn,
		  uint64_t *ret_bytes)
{
	uint64_t size = view->segment_size;
	uint64_t end = (lsn / size + 1) * size;
	struct jnl_batch_header h;
	const uint8_t *p;
	uint64_t at;
	int ret;

	for (at = jnl_next_place(lsn, size, view->block_size); at < end;
	     at += view->block_size) {
		if (at == lsn)
			continue;
		ret = jnl_view_at(view, at, view->block_size, &p);
		if (ret < 0)
			return ret;
		/* Its body is not looked at: a hostile file would have us
		 * look at it again for every block. */
		if (jnl_batch_decode(p, seed, &h) && h.lsn == at &&
		    jnl_batch_sane(&h, view->block_size, size))
			break;
	}
	*ret_bytes = at - lsn;
	return 0;
}

static int bad_batch(struct jnl_view *view, const struct jnl_recovery *rec,
		     struct journal_report *rep, uint64_t lsn, int verdict)
{
	char file[JNL_SEGMENT_NAME_LEN];

	jnl_segment_name(file, lsn / view->segment_size);
	say(rep, -EBADMSG, JOURNAL_BAD_BATCH, lsn, file,
	    verdict == 2 ? "the body of a batch is damaged: restore the file "
			   "from a copy" :
	    verdict == 0 ? "a batch is gone, or its header is damaged, or it "
			   "does not follow the one before it: restore the "
			   "file from a copy" :
			   "a batch with a good checksum makes no sense: it "
			   "was not written by libjournal");
	return extent(view, rec->seed, lsn, &rep->bytes);
}

/* What salvage has marked as lost; given back, or not. */
static void report_hole(struct journal_report *rep,
			const struct jnl_recovery *rec, uint64_t from,
			uint64_t to)
{
	struct journal_hole hole = { .from = from, .to = to,
				     .why = JOURNAL_HOLE };

	if (to <= rec->first)
		return;
	jnl_segment_name(hole.file, from / rec->geometry.segment_size);
	(void)snprintf(hole.message, sizeof(hole.message),
		       "lost before the journal was salvaged");
	if (!rep->holes++) {
		say(rep, 0, JOURNAL_HOLE, from, hole.file,
		    "sound; what the holes stand for was lost before the "
		    "journal was salvaged");
		rep->bytes = to - from;
	}
	rep->hole_bytes += to - from;
	if (rep->on_hole)
		rep->on_hole(rep->arg, &hole);
}

/* What a batch holds that has not been given back. */
static void count_records(struct journal_report *rep,
			  const struct jnl_batch_header *h,
			  const uint8_t *body, uint64_t first)
{
	uint64_t lsn = h->lsn + JNL_BATCH_HEADER;
	uint32_t offset = 0, len;
	const uint8_t *data;

	for (uint32_t n = 0; n < h->count; n++) {
		if (!jnl_record_next(body, h->body_len, &offset, &data, &len))
			break;
		if (lsn + jnl_record_offset(body, data) < first)
			continue;
		rep->records++;
		rep->payload += len;
	}
}

/*
 * From the first batch to the end that recovery found.  -ERANGE: a writer was
 * faster.
 */
static int walk(struct jnl_sys *sys, struct jnl_view *view,
		const struct jnl_attached *at, const char *path,
		struct journal_report *rep)
{
	const struct jnl_recovery *rec = &at->rec;
	uint64_t size = view->segment_size;
	uint64_t pos = rec->first / size * size, place, prev = 0, first;
	uint64_t start = pos, told = pos;
	struct jnl_batch_header h;
	bool linked = !pos;
	const uint8_t *p;
	int ret, gone;

	while (pos < rec->end) {
		place = jnl_next_place(pos, size, view->block_size);
		ret = jnl_batch_at(view, place, rec->seed,
				   linked ? &prev : NULL, &h, &p);
		if (ret != 1 && rep->writer) {
			jnl_view_forget(view);
			ret = jnl_batch_at(view, place, rec->seed,
					   linked ? &prev : NULL, &h, &p);
		}
		if (ret == 1 && jnl_batch_end(&h, view->block_size, size) >
				rec->end)
			ret = 0;
		gone = ret == 1 ? 0 : jnl_given_back(sys, path, rec, place,
						     &first);
		if (gone)
			return gone < 0 ? gone : -ERANGE;
		if (ret < 0 && ret != -EBADMSG)
			return ret;
		if (ret != 1)
			return bad_batch(view, rec, rep, place, ret);
		rep->batches++;
		if (h.flags & JNL_BATCH_HOLE)
			report_hole(rep, rec, place,
				    jnl_batch_end(&h, view->block_size, size));
		else
			count_records(rep, &h, p + JNL_BATCH_HEADER,
				      rec->first);
		pos = jnl_batch_end(&h, view->block_size, size);
		prev = h.header_sum;
		linked = true;
		rep->end = pos;
		if (rep->on_progress && pos - told >= PROGRESS_EVERY) {
			told = pos;
			rep->on_progress(rep->arg, pos - start,
					 rec->end - start);
		}
	}
	return 0;
}

static void report_tail(struct journal_report *rep,
			const struct jnl_recovery *rec, const char *file)
{
	rep->tail_batches = rec->tail_batches;
	/* The first hole is the finding. */
	if (rep->finding)
		return;
	say(rep, 0, JOURNAL_TAIL, rec->end, file,
	    "remains of writes that were never acknowledged lie behind the "
	    "end: the next open for writing makes an end of them");
	rep->bytes = rec->tail_bytes;
}

static int judge(struct jnl_sys *sys, struct jnl_attached *at,
		 const char *path, struct journal_report *rep)
{
	const struct jnl_recovery *rec = &at->rec;
	char file[JNL_SEGMENT_NAME_LEN];
	struct jnl_view view;
	int ret;

	rep->segments = at->names.count;
	rep->first_lsn = rec->first;
	rep->end = rec->first;
	rep->writer = at->live;
	jnl_view_init(&view, at->sys, at->dirfd, true);
	view.segment_size = rec->geometry.segment_size;
	view.block_size = rec->geometry.block_size;
	view.ahead = AHEAD;
	/* Nothing that is being written is asked for. */
	if (at->live)
		view.limit = rec->end;
	ret = walk(sys, &view, at, path, rep);
	jnl_view_fini(&view);
	if (ret < 0 || (rep->finding && rep->finding != JOURNAL_HOLE))
		return ret;
	rep->end = rec->end;
	if (rec->tail_bytes) {
		jnl_segment_name(file, rec->end / rec->geometry.segment_size);
		report_tail(rep, rec, file);
	}
	return 0;
}

/* One try. */
static int verify(struct jnl_sys *sys, const char *path,
		  struct journal_report *rep)
{
	struct journal_error error = { 0 };
	struct jnl_attached at;
	int ret;

	*rep = (struct journal_report){
		.size = sizeof(*rep),
		.on_hole = rep->on_hole,
		.on_progress = rep->on_progress,
		.arg = rep->arg,
	};
	rep->lsn = JOURNAL_LSN_NONE;
	ret = jnl_attach(sys, path, &at, &error);
	if (is_finding(ret) && at.damage.finding) {
		say(rep, ret, at.damage.finding, at.damage.lsn,
		    at.damage.file, at.damage.message);
		rep->bytes = at.damage.bytes;
		rep->segments = at.damage.segments;
		return 0;
	}
	if (ret < 0) {
		(void)snprintf(rep->message, sizeof(rep->message), "%s",
			       error.message);
	} else {
		ret = judge(sys, &at, path, rep);
		jnl_detach(&at);
	}
	rep->code = ret < 0 ? ret : rep->code;
	return ret;
}

int jnl_verify(const char *path, struct journal_report *report,
	       const struct jnl_env *env)
{
	struct jnl_sys *sys = env->sys ? env->sys : jnl_sys_linux();
	size_t size = report->size;
	struct journal_report full;
	int ret, state, tries = 0;

	if (size < sizeof(full))
		return -EINVAL;
	full = *report;
	state = jnl_cancel_off();
	do {
		ret = verify(sys, path, &full);
	} while (ret == -ERANGE && ++tries < TRIES);
	if (ret == -ERANGE)
		(void)snprintf(full.message, sizeof(full.message),
			       "%s: the writer gives records back faster than "
			       "they can be read: try again later", path);
	jnl_cancel_restore(state);
	memset(report, 0, size);
	memcpy(report, &full, sizeof(full));
	report->size = size;
	return ret;
}

int journal_verify(const char *path, struct journal_report *report)
{
	static const struct jnl_env real;

	return jnl_verify(path, report, &real);
}
