/*
 * probe/stable.c - does what is flushed here outlive the power?
 *
 * No for memory, whatever it is dressed as; yes for a file system all of whose
 * data ends up on kinds of drive that are known to keep what they were told to
 * flush; not known for everything else: the network, FUSE, layers of
 * directories, a device of another kind, or one below which not everything
 * could be found out.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "probe/facts.h"

static const char *const memory_types[] = {
	"tmpfs", "ramfs", "devtmpfs", "rootfs", "hugetlbfs",
};

bool jnl_type_is_memory(const char *type)
{
	size_t i;

	for (i = 0; i < sizeof(memory_types) / sizeof(memory_types[0]); i++)
		if (!strcmp(type, memory_types[i]))
			return true;
	return false;
}

enum verdict { FORGETS, UNKNOWN, KEEPS };

/* What each kind does with what it was told to flush; others: not known. */
static const struct {
	const char *kind;
	enum verdict verdict;
	bool passes_on;		/* it keeps what those keep that it lies on */
} kinds[] = {
	{ "zram", FORGETS, false }, { "ram", FORGETS, false },
	{ "null", FORGETS, false }, { "nvme", KEEPS, false },
	{ "scsi", KEEPS, false }, { "virtio", KEEPS, false },
	{ "xen", KEEPS, false }, { "mmc", KEEPS, false },
	{ "pmem", KEEPS, false }, { "dm", KEEPS, true },
	{ "md", KEEPS, true }, { "loop", KEEPS, true },
};

static bool lies_on_something(const journal_probe *p, size_t i)
{
	size_t j;

	for (j = i + 1; j < p->layer_count; j++)
		if (p->layers[j].above == i)
			return true;
	return false;
}

/* Of the layer itself, whatever those do that it lies on. */
static enum verdict judge(const journal_probe *p, size_t i)
{
	const struct jnl_layer *l = &p->layers[i];
	size_t k;

	if (l->forgets)
		return FORGETS;
	for (k = 0; l->kind && k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		if (strcmp(kinds[k].kind, l->kind))
			continue;
		if (kinds[k].passes_on && !(l->whole &&
					    lies_on_something(p, i)))
			return UNKNOWN;
		return kinds[k].verdict;
	}
	return UNKNOWN;
}

/* The worst of all layers: data may be on any of them. */
static enum verdict judge_all(const journal_probe *p, size_t *ret_worst)
{
	enum verdict worst = p->layer_count ? KEEPS : UNKNOWN, v;
	size_t i;

	*ret_worst = 0;
	for (i = 0; i < p->layer_count; i++) {
		v = judge(p, i);
		if (v >= worst)
			continue;
		worst = v;
		*ret_worst = i;
	}
	return worst;
}

void jnl_prober_stable(journal_probe *p)
{
	const char *type = jnl_fact_text_or(p, JNL_FS_TYPE, "");
	enum verdict v;
	char *source;
	size_t i;

	if (jnl_type_is_memory(type)) {
		jnl_fact_number(p, JNL_FS_STABLE, JOURNAL_FACT_REPORTED, 0,
				p->facts[JNL_FS_TYPE].source);
		return;
	}
	v = judge_all(p, &i);
	if (!p->layer_count || !p->layers[i].dir) {
		jnl_fact_unknown(p, JNL_FS_STABLE, 0, "");
		return;
	}
	source = jnl_probe_format(p, "%s/uevent", p->layers[i].dir);
	if (!source)
		return;
	if (v == UNKNOWN)
		jnl_fact_unknown(p, JNL_FS_STABLE, 0, source);
	else
		jnl_fact_number(p, JNL_FS_STABLE, JOURNAL_FACT_REPORTED,
				v == KEEPS, source);
	free(source);
}
