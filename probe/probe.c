/*
 * probe/probe.c - one probe from beginning to end.
 *
 * The table below is the whole of it: the probers run in this order, each
 * sets the facts it can find out, none can fail or stop another; then the
 * methods are ranked, once for good and once for callers who accept storage
 * that forgets.  After that a probe never changes but for its trail.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "probe/facts.h"
#include "probe/record.h"

/* Later probers look at what earlier ones found. */
static void (*const probers[])(journal_probe *p) = {
	jnl_prober_kernel,
	jnl_prober_io_uring,
	jnl_prober_mount,	/* /proc/self/mountinfo: type, barriers */
	jnl_prober_fs,		/* fstatfs(2): block size, room, type */
	jnl_prober_raw,		/* a device in the place of a directory */
	jnl_prober_layers,	/* /sys: what the file system lies on */
	jnl_prober_device,	/* the topmost one, and its queue */
	jnl_prober_nvme,	/* the drive: controllers, nodes, Flush */
	jnl_prober_identify,	/* what the drive says of itself */
	jnl_prober_untorn,	/* what follows from that */
	jnl_prober_stable,	/* type and layers: does it outlive the power? */
	jnl_prober_tries,	/* real writes, in blocks that all of it asks for */
	jnl_prober_in_place,
};

static int probe(journal_probe *p)
{
	size_t i;

	for (i = 0; i < sizeof(probers) / sizeof(probers[0]); i++)
		probers[i](p);
	jnl_rank_methods(p, false, &p->strict);
	jnl_rank_methods(p, true, &p->tolerant);
	jnl_carrier_judge(p);
	return p->oom ? -ENOMEM :
			jnl_rank_trail(p, &p->strict, p->strict.chosen);
}

/* Asks m itself, or through somebody who keeps the answers. */
static int ask(journal_probe *p, struct jnl_machine *m)
{
	struct jnl_record r;
	int ret;

	p->machine = m;
	if (p->flags & JOURNAL_PROBE_RECORD) {
		jnl_record_init(&r, m, &p->answers);
		p->machine = &r.machine;
	}
	ret = probe(p);
	p->machine = NULL;
	if (p->flags & JOURNAL_PROBE_RECORD)
		p->answers_error = r.error;
	return ret;
}

int jnl_probe_machine(journal_probe **ret_p, struct jnl_machine *m,
		      const char *path, uint64_t flags)
{
	journal_probe *p;
	int ret;

	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->flags = flags;
	p->drive = SIZE_MAX;
	p->path = strdup(path);
	if (!p->path) {
		free(p);
		return -ENOMEM;
	}
	jnl_answers_init(&p->answers);
	jnl_facts_init(p);
	ret = ask(p, m);
	if (ret < 0) {
		journal_probe_close(p);
		return ret;
	}
	*ret_p = p;
	return 0;
}

int jnl_probe_linux(journal_probe **ret_p, struct jnl_sys *sys, int dirfd,
		    const char *path, const char *sysroot, uint64_t flags)
{
	struct jnl_machine_linux l;
	int state, was, ret;

	/* A cancelled thread must not leave files behind. */
	state = pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &was);
	jnl_machine_linux_init(&l, sys, dirfd, sysroot);
	ret = jnl_probe_machine(ret_p, &l.machine, path, flags);
	jnl_machine_linux_close(&l);
	if (state == 0)
		pthread_setcancelstate(was, NULL);
	return ret;
}

int jnl_probe_dir_at(journal_probe **ret_p, struct jnl_sys *sys, int dirfd,
		     const char *path, const char *sysroot)
{
	return jnl_probe_linux(ret_p, sys, dirfd, path, sysroot, 0);
}

int jnl_probe_dir(journal_probe **ret_p, struct jnl_sys *sys, int dirfd,
		  const char *path)
{
	/* Serial numbers, to know a drive again; nothing tells them. */
	return jnl_probe_linux(ret_p, sys, dirfd, path, "",
			       JNL_PROBE_QUICK | JOURNAL_PROBE_SERIALS);
}

void journal_probe_close(journal_probe *p)
{
	if (!p)
		return;
	jnl_rank_free(&p->strict);
	jnl_rank_free(&p->tolerant);
	jnl_facts_free(p);
	jnl_answers_free(&p->answers);
	free(p->mount_source);
	free(p->barrier_option);
	jnl_layers_free(p);
	free(p->ring_reason);
	free(p->ring_words);
	free(p->trail);
	free(p->path);
	free(p);
}
