/*
 * tests/probe/synth.h - machines made of answers.
 *
 * synth_nvme() is a namespace with a partition, ext4 on it, everything as good
 * as it can be; a test then changes single answers and probes that.
 */
#ifndef TESTS_PROBE_SYNTH_H
#define TESTS_PROBE_SYNTH_H

#include <check.h>
#include <stdint.h>

#include "probe/facts.h"
#include "probe/replay.h"

#ifdef HAVE_LIBNVME
#include <libnvme.h>

/* The pages that synth_pages() puts among the answers. */
extern struct nvme_id_ctrl controller;
extern struct nvme_id_ns namespace;
void synth_pages(void);
#endif

#define DISK	"/sys/dev/block/259:2/.."
#define SYSTEM	"/sys/class/nvme-subsystem/nvme-subsys0"

extern struct jnl_answers answers;

/* Answer a question in this way, from now on. */
void say_bytes(enum jnl_question kind, const char *subject, const void *data,
	       size_t len);
void say(enum jnl_question kind, const char *subject, const char *text);
void say_error(enum jnl_question kind, const char *subject, int error);

void synth_nvme(void);
/* The same with something between: a device mapper's device on the partition. */
void synth_dm(const char *below);
void synth_free(void);

/* Probe what is in answers, or in others. */
journal_probe *replay_of(const struct jnl_answers *a, uint64_t flags);
journal_probe *replay(void);

/* What refuses a method that needs all there is, or "". */
const char *refused_by(journal_probe *p);
char *refusal(journal_probe *p);

#endif
