/*
 * journal/core.c - the open journal as an object: made, asked, freed.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal/core.h"
#include "journal/lock.h"
#include "journal/measured.h"
#include "journal/raw.h"
#include "journal/stats-file.h"

void jnl_journal_free(journal *j)
{
	struct jnl_sys *sys = j->dir.sys;
	bool alive = j->alive && j->alive[0];
	bool lost;

	/* The ring first: nothing that it uses may go before it. */
	lost = jnl_committer_free(j, alive);
	for (size_t i = 0; i < j->nfiles; i++)
		(void)sys->close(sys, j->files[i].fd);
	free(j->files);
	if (j->helper.fill_fd >= 0)
		(void)sys->close(sys, j->helper.fill_fd);
	/* In a child of fork the images are not mapped: what is there now is
	 * somebody else's. */
	if (!alive || lost)
		j->engine.memory = NULL;
	jnl_engine_fini(&j->engine);
	journal_probe_close(j->probe);
	jnl_nvme_close(&j->drive.nvme, sys);
	jnl_measured_free(j);
	jnl_stats_file_free(j);
	if (j->dir.fd >= 0)
		(void)sys->close(sys, j->dir.fd);
	/* Last: until here nobody else may write.  Given up in so many words
	 * by its owner: a child of fork may still have the descriptor.  A lost
	 * ring keeps it until its last write has landed. */
	if (j->lock_fd >= 0 && alive && !lost && !j->advice.lost)
		jnl_lock_drop(sys, j->lock_fd);
	if (j->lock_fd >= 0)
		(void)sys->close(sys, j->lock_fd);
	/* In a child of fork the copy of the helper's sleep never ends, and
	 * destroying what it sleeps on would wait for it. */
	if (alive) {
		pthread_cond_destroy(&j->progress);
		pthread_cond_destroy(&j->wake);
		pthread_mutex_destroy(&j->lock);
		pthread_mutex_destroy(&j->dir.names_lock);
	}
	jnl_observe_free(j);
	jnl_alive_free(j->alive);
	free(j->bell);
	while (j->trail) {
		struct jnl_text *older = j->trail->older;

		free(j->trail);
		j->trail = older;
	}
	free(j);
}

journal *jnl_journal_new(struct jnl_sys *sys)
{
	journal *j = calloc(1, sizeof(*j));
	pthread_condattr_t attr;

	if (!j)
		return NULL;
	j->dir.sys = sys;
	j->dir.fd = j->lock_fd = j->helper.fill_fd = j->drive.nvme.fd = -1;
	j->helper.seen = UINT64_MAX;
	j->helper.kept = JNL_NO_SEGMENT;
	(void)pthread_mutex_init(&j->lock, NULL);
	(void)pthread_mutex_init(&j->dir.names_lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&j->progress, &attr);
	(void)pthread_cond_init(&j->wake, &attr);
	(void)pthread_condattr_destroy(&attr);
	j->alive = jnl_alive_new();
	if (!j->alive) {
		jnl_journal_free(j);
		return NULL;
	}
	return j;
}

void jnl_say(journal *j, const char *line)
{
	const char *had = j->trail ? j->trail->line : "";
	size_t len = strlen(had), more = strlen(line);
	struct jnl_text *text;

	/* There are a few lines in a journal's life, and nobody depends on
	 * them. */
	text = malloc(sizeof(*text) + len + more + 2);
	if (!text)
		return;
	memcpy(text->line, had, len);
	memcpy(text->line + len, line, more);
	memcpy(text->line + len + more, "\n", 2);
	text->older = j->trail;
	j->trail = text;
}

int jnl_cancel_off(void)
{
	int state;

	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	return state;
}

void jnl_cancel_restore(int state)
{
	(void)pthread_setcancelstate(state, NULL);
}

int jnl_enter(journal *j)
{
	int state = jnl_cancel_off();

	pthread_mutex_lock(&j->lock);
	return state;
}

void jnl_leave(journal *j, int state)
{
	pthread_mutex_unlock(&j->lock);
	jnl_cancel_restore(state);
}

/* ------------------------------------------------------------------------ */

static const char *barrier_of(const journal *j)
{
	if (j->drive.on)
		return "NVMe Flush";
	if (j->engine.cfg.dsync)
		return "RWF_DSYNC";
	return j->dir.way.flush == JNL_FLUSH_FSYNC ? "fsync" : "fdatasync";
}

/* What is left of one block that cannot tear for the one record in it. */
static uint32_t untorn_max(const struct jnl_engine *e)
{
	uint32_t room = e->cfg.block_size - JNL_BATCH_HEADER - JNL_RECORD_WORD;

	if (jnl_engine_untorn_max(e) < e->cfg.block_size)
		return 0;
	return room < e->cfg.record_max ? room : e->cfg.record_max;
}

void jnl_fill_info(journal *j, struct journal_info *info)
{
	const struct jnl_recovery *rec = &j->recovered;
	const struct jnl_engine *e = &j->engine;

	memcpy(info->uuid, j->dir.geometry.uuid, sizeof(info->uuid));
	info->format = j->dir.geometry.version;
	info->block_size = j->dir.geometry.block_size;
	info->segment_size = j->dir.geometry.segment_size;
	info->first_lsn = rec->first;
	info->recovered_lsn = rec->end;
	info->tail_bytes = rec->tail_bytes;
	info->tail_batches = rec->tail_batches;
	info->method = info->carrier = info->barrier = info->trail = "";
	info->driver = "";
	info->slots = j->slots;
	info->measured = j->advice.line ? j->advice.line : "";
	if (j->read_only) {
		info->segments = j->segments;
		info->frontier = info->end = rec->end;
		info->writer = j->writer;
		return;
	}
	info->first_lsn = e->trim_durable;
	info->segments = e->segments - j->oldest;
	info->slots = jnl_raw_slots(j->dir.sys);
	info->frontier = e->frontier;
	info->end = jnl_engine_end(e);
	info->record_max = e->cfg.record_max;
	info->queue_depth = e->cfg.queue_depth;
	info->method = j->method;
	info->carrier = j->carrier;
	info->driver = j->loop ? "loop" : j->committer ? "thread" : "caller";
	info->barrier = barrier_of(j);
	if (j->trail)
		info->trail = j->trail->line;
	info->failed = e->error;
	info->untorn_max = untorn_max(e);
}

int journal_info(journal *j, struct journal_info *info)
{
	struct journal_info full = JOURNAL_INFO_INIT;
	size_t size = info->size;
	int state;

	if (size < sizeof(full))
		return -EINVAL;
	if (!j->alive[0])
		return -EOWNERDEAD;
	state = jnl_enter(j);
	jnl_fill_info(j, &full);
	jnl_leave(j, state);
	/* A caller that knows more than this library gets zeros there. */
	memset(info, 0, size);
	memcpy(info, &full, sizeof(full));
	info->size = size;
	return 0;
}

void jnl_fill_stats(journal *j, struct journal_stats *stats)
{
	const struct jnl_engine *e = &j->engine;

	static_assert(sizeof(stats->action_ns) ==
		      sizeof(j->counters.action_ns) &&
		      sizeof(stats->batch_records) == sizeof(e->batch_records),
		      "histograms");
	stats->records = e->records;
	stats->payload = e->payload;
	stats->in_place = e->in_place;
	stats->late = e->late;
	stats->batches = e->commits;
	stats->flushes = e->flushes;
	stats->replacements = e->replacements;
	stats->stalls_queue = j->counters.stalls_queue;
	stats->stalls_segment = j->counters.stalls_segment;
	stats->failures = j->helper.failures - j->helper.called_off;
	stats->stalls_device = j->observed.stalls_device + jnl_watch_late(j);
	stats->events_dropped = j->observed.dropped;
	stats->action_max_ns = j->counters.action_max_ns;
	memcpy(stats->action_ns, j->counters.action_ns, sizeof(stats->action_ns));
	memcpy(stats->batch_records, e->batch_records,
	       sizeof(stats->batch_records));
}

int journal_stats(journal *j, struct journal_stats *stats)
{
	struct journal_stats full = JOURNAL_STATS_INIT;
	size_t size = stats->size;
	int state;

	if (size < sizeof(full))
		return -EINVAL;
	if (!j->alive[0])
		return -EOWNERDEAD;
	if (j->read_only)
		return -EROFS;
	state = jnl_enter(j);
	jnl_fill_stats(j, &full);
	jnl_leave(j, state);
	memset(stats, 0, size);
	memcpy(stats, &full, sizeof(full));
	stats->size = size;
	return 0;
}

int journal_lock_holder(const char *path, pid_t *ret_pid)
{
	struct jnl_sys *sys = jnl_sys_linux();
	int ret, dirfd, state;
	pid_t pid;

	state = jnl_cancel_off();
	dirfd = jnl_open_dir(&sys, path);
	ret = dirfd < 0 ? dirfd : jnl_lock_holder(sys, dirfd, &pid);
	if (dirfd >= 0)
		(void)sys->close(sys, dirfd);
	jnl_cancel_restore(state);
	if (!ret)
		*ret_pid = pid;
	return ret;
}
