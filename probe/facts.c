/*
 * probe/facts.c - the facts of one probe, and reading them from outside.
 *
 * A fact owns its text and its source.  Setting one again replaces it.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/facts.h"

static const char *const names[JNL_FACT_COUNT] = {
	[JNL_KERNEL_RELEASE]		= "kernel.release",
	[JNL_KERNEL_SECCOMP]		= "kernel.seccomp",
	[JNL_KERNEL_MEMLOCK_BYTES]	= "kernel.memlock_bytes",
	[JNL_KERNEL_URING_DISABLED]	= "kernel.io_uring_disabled",
	[JNL_KERNEL_URING]		= "kernel.io_uring",
	[JNL_KERNEL_URING_SUBMIT_ALL]	= "kernel.io_uring.submit_all",
	[JNL_KERNEL_URING_COOP_TASKRUN]	= "kernel.io_uring.coop_taskrun",
	[JNL_KERNEL_URING_SINGLE_ISSUER] = "kernel.io_uring.single_issuer",
	[JNL_KERNEL_URING_DEFER_TASKRUN] = "kernel.io_uring.defer_taskrun",
	[JNL_KERNEL_URING_R_DISABLED]	= "kernel.io_uring.r_disabled",
	[JNL_KERNEL_URING_SQPOLL]	= "kernel.io_uring.sqpoll",
	[JNL_KERNEL_URING_SQE128_CQE32]	= "kernel.io_uring.sqe128_cqe32",
	[JNL_KERNEL_URING_WRITE]	= "kernel.io_uring.write",
	[JNL_KERNEL_URING_WRITE_FIXED]	= "kernel.io_uring.write_fixed",
	[JNL_KERNEL_URING_FSYNC]	= "kernel.io_uring.fsync",
	[JNL_KERNEL_URING_URING_CMD]	= "kernel.io_uring.uring_cmd",
	[JNL_KERNEL_URING_FILES]	= "kernel.io_uring.files",
	[JNL_KERNEL_URING_BUFFERS]	= "kernel.io_uring.buffers",
	[JNL_KERNEL_RWF_DSYNC]		= "kernel.rwf_dsync",
	[JNL_KERNEL_RWF_ATOMIC]		= "kernel.rwf_atomic",
	[JNL_FS_TYPE]			= "fs.type",
	[JNL_FS_MOUNT_POINT]		= "fs.mount_point",
	[JNL_FS_MOUNT_SOURCE]		= "fs.mount_source",
	[JNL_FS_MOUNT_OPTIONS]		= "fs.mount_options",
	[JNL_FS_BARRIER]		= "fs.barrier",
	[JNL_FS_STABLE]			= "fs.stable",
	[JNL_FS_BLOCK_SIZE]		= "fs.block_size",
	[JNL_FS_FREE_BYTES]		= "fs.free_bytes",
	[JNL_FS_DIRECT_IO]		= "fs.direct_io",
	[JNL_FS_DIRECT_IO_ALIGNMENT]	= "fs.direct_io_alignment",
	[JNL_FS_FLUSH]			= "fs.flush",
	[JNL_FS_DATA_JOURNAL]		= "fs.data_journal",
	[JNL_FS_REFLINK]		= "fs.reflink",
	[JNL_FS_IN_PLACE]		= "fs.in_place",
	[JNL_FS_EXTENTS]		= "fs.extents",
	[JNL_FS_COUNTS_LINKS]		= "fs.counts_links",
	[JNL_FS_WRITE_ZEROES]		= "fs.write_zeroes",
	[JNL_FS_ATOMIC_UNIT_MIN]	= "fs.atomic_unit_min",
	[JNL_FS_ATOMIC_UNIT_MAX]	= "fs.atomic_unit_max",
	[JNL_DEVICE_NAME]		= "device.name",
	[JNL_DEVICE_NUMBER]		= "device.number",
	[JNL_DEVICE_DISK]		= "device.disk",
	[JNL_DEVICE_KIND]		= "device.kind",
	[JNL_DEVICE_STACK]		= "device.stack",
	[JNL_DEVICE_START_BYTES]	= "device.start_bytes",
	[JNL_DEVICE_SIZE_BYTES]		= "device.size_bytes",
	[JNL_DEVICE_WRITE_CACHE]	= "device.write_cache",
	[JNL_DEVICE_FUA]		= "device.fua",
	[JNL_DEVICE_LOGICAL_BLOCK_SIZE]	= "device.logical_block_size",
	[JNL_DEVICE_PHYSICAL_BLOCK_SIZE] = "device.physical_block_size",
	[JNL_DEVICE_ROTATIONAL]		= "device.rotational",
	[JNL_DEVICE_MAX_HW_BYTES]	= "device.max_hw_bytes",
	[JNL_DEVICE_ATOMIC_UNIT_MIN]	= "device.atomic_unit_min",
	[JNL_DEVICE_ATOMIC_UNIT_MAX]	= "device.atomic_unit_max",
	[JNL_DEVICE_ATOMIC_BOUNDARY]	= "device.atomic_boundary",
	[JNL_DEVICE_ATOMIC_MAX]		= "device.atomic_max",
	[JNL_DRIVE_NAMESPACE]		= "drive.namespace",
	[JNL_DRIVE_STRAIGHT]		= "drive.straight",
	[JNL_DRIVE_NSID]		= "drive.nsid",
	[JNL_DRIVE_MODEL]		= "drive.model",
	[JNL_DRIVE_FIRMWARE]		= "drive.firmware",
	[JNL_DRIVE_SERIAL]		= "drive.serial",
	[JNL_DRIVE_TRANSPORT]		= "drive.transport",
	[JNL_DRIVE_CONTROLLERS]		= "drive.controllers",
	[JNL_DRIVE_MULTI_CONTROLLER]	= "drive.multi_controller",
	[JNL_DRIVE_SHARED]		= "drive.shared",
	[JNL_DRIVE_NODE]		= "drive.node",
	[JNL_DRIVE_NODE_OPENS]		= "drive.node_opens",
	[JNL_DRIVE_FLUSH]		= "drive.flush",
	[JNL_DRIVE_VOLATILE_CACHE]	= "drive.volatile_cache",
	[JNL_DRIVE_CACHE_ENABLED]	= "drive.cache_enabled",
	[JNL_DRIVE_BLOCK_BYTES]		= "drive.block_bytes",
	[JNL_DRIVE_MDTS]		= "drive.mdts",
	[JNL_DRIVE_AWUN]		= "drive.awun",
	[JNL_DRIVE_AWUPF]		= "drive.awupf",
	[JNL_DRIVE_NSFEAT]		= "drive.nsfeat",
	[JNL_DRIVE_NAWUN]		= "drive.nawun",
	[JNL_DRIVE_NAWUPF]		= "drive.nawupf",
	[JNL_DRIVE_NABSN]		= "drive.nabsn",
	[JNL_DRIVE_NABO]		= "drive.nabo",
	[JNL_DRIVE_NABSPF]		= "drive.nabspf",
	[JNL_DRIVE_UNTORN_BYTES]	= "drive.untorn_bytes",
};

char *jnl_probe_strdup(journal_probe *p, const char *s)
{
	char *copy = strdup(s);

	if (!copy)
		p->oom = true;
	return copy;
}

char *jnl_probe_format(journal_probe *p, const char *fmt, ...)
{
	va_list ap;
	char *s;
	int ret;

	va_start(ap, fmt);
	ret = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (ret < 0) {
		p->oom = true;
		return NULL;
	}
	return s;
}

void jnl_facts_init(journal_probe *p)
{
	size_t i;

	for (i = 0; i < JNL_FACT_COUNT; i++) {
		p->facts[i].name = names[i];
		p->facts[i].source = "";
	}
}

void jnl_facts_free(journal_probe *p)
{
	size_t i;

	for (i = 0; i < JNL_FACT_COUNT; i++) {
		free(p->texts[i]);
		free(p->sources[i]);
	}
}

static struct journal_fact *set(journal_probe *p, enum jnl_fact id,
				enum journal_fact_state state, int error,
				const char *source)
{
	struct journal_fact *f = &p->facts[id];
	char *copy = *source ? jnl_probe_strdup(p, source) : NULL;

	/* source may be what the fact had until now. */
	assert(id < JNL_FACT_COUNT && error <= 0);
	free(p->texts[id]);
	free(p->sources[id]);
	p->texts[id] = NULL;
	p->sources[id] = copy;
	f->state = state;
	f->error = error;
	f->value = 0;
	f->text = NULL;
	f->source = p->sources[id] ? p->sources[id] : "";
	return f;
}

void jnl_fact_number(journal_probe *p, enum jnl_fact id,
		     enum journal_fact_state state, uint64_t value,
		     const char *source)
{
	assert(state != JOURNAL_FACT_UNKNOWN);
	set(p, id, state, 0, source)->value = value;
}

void jnl_fact_text(journal_probe *p, enum jnl_fact id,
		   enum journal_fact_state state, const char *text,
		   const char *source)
{
	struct journal_fact *f;
	char *copy;

	assert(state != JOURNAL_FACT_UNKNOWN);
	copy = jnl_probe_strdup(p, text);
	f = set(p, id, state, 0, source);
	p->texts[id] = copy;
	if (p->texts[id])
		f->text = p->texts[id];
	else
		f->state = JOURNAL_FACT_UNKNOWN;
}

void jnl_fact_unknown(journal_probe *p, enum jnl_fact id, int error,
		      const char *source)
{
	set(p, id, JOURNAL_FACT_UNKNOWN, error, source);
}

void jnl_fact_refused(journal_probe *p, enum jnl_fact id, int error,
		      const char *source)
{
	set(p, id, JOURNAL_FACT_TRIED, error, source);
}

const char *jnl_fact_name(enum jnl_fact id)
{
	assert(id < JNL_FACT_COUNT);
	return names[id];
}

bool jnl_fact_known(const journal_probe *p, enum jnl_fact id)
{
	return p->facts[id].state != JOURNAL_FACT_UNKNOWN;
}

bool jnl_fact_is(const journal_probe *p, enum jnl_fact id, const char *text)
{
	return jnl_fact_known(p, id) && p->facts[id].text &&
	       !strcmp(p->facts[id].text, text);
}

const char *jnl_fact_text_or(const journal_probe *p, enum jnl_fact id,
			     const char *instead)
{
	if (!jnl_fact_known(p, id) || !p->facts[id].text)
		return instead;
	return p->facts[id].text;
}

int journal_probe_fact_at(const journal_probe *p, size_t i,
			  struct journal_fact *ret_fact)
{
	if (!p || !ret_fact)
		return -EINVAL;
	if (i >= JNL_FACT_COUNT)
		return -ENOENT;
	*ret_fact = p->facts[i];
	return 0;
}

int journal_probe_fact(const journal_probe *p, const char *name,
		       struct journal_fact *ret_fact)
{
	size_t i;

	if (!p || !name || !ret_fact)
		return -EINVAL;
	for (i = 0; i < JNL_FACT_COUNT; i++)
		if (!strcmp(names[i], name))
			return journal_probe_fact_at(p, i, ret_fact);
	return -ENOENT;
}
