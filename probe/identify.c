/*
 * probe/identify.c - what an NVMe drive says of itself.
 *
 * Identify Controller and Identify Namespace (NVM Express Base and NVM Command
 * Set Specifications), read through a node that this process may open: the
 * generic one, else the block device.  libnvme's structures say where a field
 * is.  Numbers are given as the drive gives them: AWUN, AWUPF, NAWUN, NAWUPF,
 * NABSN and NABSPF count blocks from 0.
 *
 * A page that cannot be a drive's (too short, no model in ASCII, no blocks, of
 * another size than the disk) is believed in nothing.
 */
#include "config.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_LIBNVME
#include <libnvme.h>
#endif

#include "probe/ask.h"
#include "probe/facts.h"

#define PAGE_BYTES	4096u
#define FEATURE_CACHE	6u	/* Volatile Write Cache */

static void unknown(journal_probe *p, enum jnl_fact first, enum jnl_fact last,
		    int error, const char *source)
{
	enum jnl_fact id;

	for (id = first; id <= last; id++)
		jnl_fact_unknown(p, id, error, source);
}

#ifdef HAVE_LIBNVME

static const char controller[] = "Identify Controller";
static const char namespace[] = "Identify Namespace";

static_assert(sizeof(struct nvme_id_ctrl) == PAGE_BYTES, "Figure 312");
static_assert(sizeof(struct nvme_id_ns) == PAGE_BYTES, "Figure 114");
static_assert(offsetof(struct nvme_id_ns, nawupf) == 36, "bytes 37:36");
static_assert(offsetof(struct nvme_id_ns, nabo) == 42, "bytes 43:42");
static_assert(offsetof(struct nvme_id_ns, nabspf) == 44, "bytes 45:44");
static_assert(offsetof(struct nvme_id_ctrl, awupf) == 528, "bytes 529:528");

static int ask_page(journal_probe *p, const char *subject, size_t len,
		    void *ret_page)
{
	struct jnl_answer a = { .error = -ENODATA };
	int ret = 0;

	p->machine->ask(p->machine, JNL_ASK_NVME, subject, len, &a);
	if (a.error < 0)
		return a.error;
	if (a.len == len)
		memcpy(ret_page, a.data, len);
	else
		ret = -EINVAL;
	free(a.data);
	return ret;
}

static uint64_t le16(__le16 v)
{
	return le16toh(v);
}

/* ASCII, padded with blanks; an empty one is nobody's. */
static bool is_text(const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (s[i] < 0x20 || s[i] > 0x7e)
			return false;
	return len && s[0] != ' ';
}

static void number(journal_probe *p, enum jnl_fact id, uint64_t value,
		   const char *source)
{
	jnl_fact_number(p, id, JOURNAL_FACT_REPORTED, value, source);
}

static int set_controller(journal_probe *p, const char *node)
{
	const char *source = controller;
	struct nvme_id_ctrl c;
	char subject[80];
	int ret;

	snprintf(subject, sizeof(subject), "identify-controller %s", node);
	ret = ask_page(p, subject, sizeof(c), &c);
	if (ret == 0 && !is_text(c.mn, sizeof(c.mn)))
		ret = -EINVAL;
	if (ret == -ELIBACC)
		source = "libnvme.so.1 is missing: install libnvme1";
	if (ret < 0) {
		unknown(p, JNL_DRIVE_MDTS, JNL_DRIVE_AWUPF, ret, source);
		jnl_fact_unknown(p, JNL_DRIVE_VOLATILE_CACHE, ret, source);
		jnl_fact_unknown(p, JNL_DRIVE_MULTI_CONTROLLER, ret, source);
		return ret;
	}
	number(p, JNL_DRIVE_MULTI_CONTROLLER,
	       !!(c.cmic & NVME_CTRL_CMIC_MULTI_CTRL), controller);
	number(p, JNL_DRIVE_VOLATILE_CACHE, c.vwc & NVME_CTRL_VWC_PRESENT,
	       controller);
	number(p, JNL_DRIVE_MDTS, c.mdts, controller);
	number(p, JNL_DRIVE_AWUN, le16(c.awun), controller);
	number(p, JNL_DRIVE_AWUPF, le16(c.awupf), controller);
	return 0;
}

/* Bytes of a logical block, or 0 for a page that makes no sense. */
static uint64_t block_bytes(const struct nvme_id_ns *n)
{
	/* Bits 3:0, and above them, where there are more formats than 16,
	 * bits 6:5. */
	unsigned int i = (n->flbas & 0xf) | (n->flbas >> 1 & 0x30);
	uint64_t size = le64toh(n->nsze);

	if (!size || le64toh(n->ncap) > size ||
	    le64toh(n->nuse) > le64toh(n->ncap))
		return 0;
	if (i > n->nlbaf && i > 15)
		return 0;
	if (n->lbaf[i].ds < 9 || n->lbaf[i].ds > 30)
		return 0;
	return 1ull << n->lbaf[i].ds;
}

/* Is it the page of the disk that sysfs shows? */
static bool is_of_disk(const journal_probe *p, const struct nvme_id_ns *n)
{
	uint64_t block = block_bytes(n), bytes;

	return block &&
	       jnl_fact_known(p, JNL_DEVICE_LOGICAL_BLOCK_SIZE) &&
	       p->facts[JNL_DEVICE_LOGICAL_BLOCK_SIZE].value == block &&
	       jnl_fact_known(p, JNL_DEVICE_SIZE_BYTES) &&
	       !__builtin_mul_overflow(le64toh(n->nsze), block, &bytes) &&
	       p->facts[JNL_DEVICE_SIZE_BYTES].value == bytes;
}

static void set_namespace(journal_probe *p, const char *node)
{
	struct nvme_id_ns n;
	char subject[80];
	int ret;

	snprintf(subject, sizeof(subject), "identify-namespace %s %u", node,
		 (unsigned int)p->facts[JNL_DRIVE_NSID].value);
	ret = jnl_fact_known(p, JNL_DRIVE_NSID) ?
		ask_page(p, subject, sizeof(n), &n) : -ENODATA;
	if (ret == 0 && !is_of_disk(p, &n))
		ret = -EINVAL;
	if (ret < 0) {
		jnl_fact_unknown(p, JNL_DRIVE_SHARED, ret, namespace);
		jnl_fact_unknown(p, JNL_DRIVE_BLOCK_BYTES, ret, namespace);
		unknown(p, JNL_DRIVE_NSFEAT, JNL_DRIVE_NABSPF, ret, namespace);
		return;
	}
	number(p, JNL_DRIVE_SHARED, n.nmic & NVME_NS_NMIC_SHARED, namespace);
	number(p, JNL_DRIVE_BLOCK_BYTES, block_bytes(&n), namespace);
	number(p, JNL_DRIVE_NSFEAT, n.nsfeat, namespace);
	number(p, JNL_DRIVE_NAWUN, le16(n.nawun), namespace);
	number(p, JNL_DRIVE_NAWUPF, le16(n.nawupf), namespace);
	number(p, JNL_DRIVE_NABSN, le16(n.nabsn), namespace);
	number(p, JNL_DRIVE_NABO, le16(n.nabo), namespace);
	number(p, JNL_DRIVE_NABSPF, le16(n.nabspf), namespace);
}

static void set_cache_enabled(journal_probe *p, const char *node)
{
	static const char source[] = "Get Features 06h";
	unsigned char dword[4];
	char subject[80];
	int ret;

	/* Without a cache there is no such feature. */
	if (!p->facts[JNL_DRIVE_VOLATILE_CACHE].value)
		return;
	snprintf(subject, sizeof(subject), "feature %s %u", node,
		 FEATURE_CACHE);
	ret = ask_page(p, subject, sizeof(dword), dword);
	if (ret == 0)
		number(p, JNL_DRIVE_CACHE_ENABLED, dword[0] & 1, source);
	else
		jnl_fact_unknown(p, JNL_DRIVE_CACHE_ENABLED, ret, source);
}

/* The node of that name in /dev, if it is the device of that number. */
static bool is_node(journal_probe *p, const char *name, unsigned int major,
		    unsigned int minor)
{
	unsigned int is_major, is_minor;
	char *path = jnl_probe_format(p, "/dev/%s", name);
	int ret = path ? jnl_ask_node(p, path, &is_major, &is_minor) : -ENOMEM;

	free(path);
	return ret == 0 && is_major == major && is_minor == minor;
}

/* The disk's own number is not the partition's. */
static bool is_disk_node(journal_probe *p, const struct jnl_layer *l)
{
	unsigned int major, minor;
	char *path, *line;
	int ret, used = 0;

	path = jnl_probe_format(p, "%s/dev", l->dir);
	ret = path ? jnl_ask_line(p->machine, path, &line) : -ENOMEM;
	free(path);
	if (ret < 0)
		return false;
	ret = sscanf(line, "%u:%u%n", &major, &minor, &used);
	ret = ret == 2 && !line[used] && is_node(p, l->disk, major, minor);
	free(line);
	return ret;
}

static int identify_by(journal_probe *p, const char *node)
{
	int ret = set_controller(p, node);

	if (ret < 0)
		return ret;
	set_namespace(p, node);
	set_cache_enabled(p, node);
	return 0;
}

static void identify(journal_probe *p)
{
	const struct jnl_layer *l = &p->layers[p->drive];
	const char *node = jnl_fact_text_or(p, JNL_DRIVE_NODE, NULL);

	if (node && is_node(p, node + strlen("/dev/"), p->node_major,
			    p->node_minor) &&
	    identify_by(p, node + strlen("/dev/")) == 0)
		return;
	if (is_disk_node(p, l))
		(void)identify_by(p, l->disk);
}

#else

static void identify(journal_probe *p)
{
	unknown(p, JNL_DRIVE_VOLATILE_CACHE, JNL_DRIVE_NABSPF, -EOPNOTSUPP,
		"built without libnvme");
}

#endif

/*
 * The kernel takes "write through" from the drive when it finds it (the bit
 * Present of VWC); that it says so of one with a cache is somebody's doing,
 * and no flush is sent.
 */
static void judge_write_cache(journal_probe *p)
{
	const struct journal_fact *cache = &p->facts[JNL_DRIVE_VOLATILE_CACHE];
	const struct journal_fact *on = &p->facts[JNL_DRIVE_CACHE_ENABLED];
	char *source;

	if (p->layer_count != 1 || !cache->value ||
	    !jnl_fact_is(p, JNL_DEVICE_WRITE_CACHE, "write through") ||
	    (jnl_fact_known(p, JNL_DRIVE_CACHE_ENABLED) && !on->value))
		return;
	p->cache_by_hand = true;
	source = jnl_probe_format(p, "%s says \"write through\", set by hand",
				  p->facts[JNL_DEVICE_WRITE_CACHE].source);
	if (source)
		jnl_fact_unknown(p, JNL_DEVICE_WRITE_CACHE, 0, source);
	free(source);
}

void jnl_prober_identify(journal_probe *p)
{
	const char *source = "no node of it may be asked";

	if (jnl_straight_on(p, "nvme")) {
		jnl_fact_unknown(p, JNL_DRIVE_MULTI_CONTROLLER, -EACCES,
				 source);
		jnl_fact_unknown(p, JNL_DRIVE_SHARED, -EACCES, source);
		unknown(p, JNL_DRIVE_VOLATILE_CACHE, JNL_DRIVE_NABSPF, -EACCES,
			source);
		identify(p);
	}
	judge_write_cache(p);
}
