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
	[JNL_KERNEL_RWF_DSYNC]		= "kernel.rwf_dsync",
	[JNL_FS_TYPE]			= "fs.type",
	[JNL_FS_MOUNT_POINT]		= "fs.mount_point",
	[JNL_FS_MOUNT_OPTIONS]		= "fs.mount_options",
	[JNL_FS_BARRIER]		= "fs.barrier",
	[JNL_FS_STABLE]			= "fs.stable",
	[JNL_FS_BLOCK_SIZE]		= "fs.block_size",
	[JNL_FS_FREE_BYTES]		= "fs.free_bytes",
	[JNL_FS_DIRECT_IO]		= "fs.direct_io",
	[JNL_FS_DIRECT_IO_ALIGNMENT]	= "fs.direct_io_alignment",
	[JNL_FS_FLUSH]			= "fs.flush",
	[JNL_DEVICE_NAME]		= "device.name",
	[JNL_DEVICE_NUMBER]		= "device.number",
	[JNL_DEVICE_KIND]		= "device.kind",
	[JNL_DEVICE_WRITE_CACHE]	= "device.write_cache",
	[JNL_DEVICE_FUA]		= "device.fua",
	[JNL_DEVICE_LOGICAL_BLOCK_SIZE]	= "device.logical_block_size",
	[JNL_DEVICE_PHYSICAL_BLOCK_SIZE] = "device.physical_block_size",
	[JNL_DEVICE_ROTATIONAL]		= "device.rotational",
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

	assert(id < JNL_FACT_COUNT && error <= 0);
	free(p->texts[id]);
	free(p->sources[id]);
	p->texts[id] = NULL;
	p->sources[id] = *source ? jnl_probe_strdup(p, source) : NULL;
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

	assert(state != JOURNAL_FACT_UNKNOWN);
	f = set(p, id, state, 0, source);
	p->texts[id] = jnl_probe_strdup(p, text);
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
