/*
 * probe/facts.h - the probe from within: its facts, probers and ranking.
 *
 * Every fact exists from the start as "unknown"; a prober that finds something
 * out sets it.  A prober never fails: where a source is missing or makes no
 * sense, its facts stay unknown and say why.  Only memory running out is
 * remembered (oom) and ends the probe.
 */
#ifndef JNL_PROBE_FACTS_H
#define JNL_PROBE_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "probe/answers.h"
#include "probe/machine.h"
#include "probe/probe.h"

/* In the order in which they are shown; facts.c has the names. */
enum jnl_fact {
	JNL_KERNEL_RELEASE,
	JNL_KERNEL_SECCOMP,
	JNL_KERNEL_MEMLOCK_BYTES,
	JNL_KERNEL_URING_DISABLED,
	JNL_KERNEL_URING,
	JNL_KERNEL_URING_SUBMIT_ALL,
	JNL_KERNEL_URING_COOP_TASKRUN,
	JNL_KERNEL_URING_SINGLE_ISSUER,
	JNL_KERNEL_URING_DEFER_TASKRUN,
	JNL_KERNEL_URING_R_DISABLED,
	JNL_KERNEL_URING_SQPOLL,
	JNL_KERNEL_URING_SQE128_CQE32,
	JNL_KERNEL_URING_WRITE,
	JNL_KERNEL_URING_WRITE_FIXED,
	JNL_KERNEL_URING_FSYNC,
	JNL_KERNEL_URING_URING_CMD,
	JNL_KERNEL_URING_FILES,
	JNL_KERNEL_URING_BUFFERS,
	JNL_KERNEL_RWF_DSYNC,
	JNL_KERNEL_RWF_ATOMIC,
	JNL_FS_TYPE,
	JNL_FS_MOUNT_POINT,
	JNL_FS_MOUNT_SOURCE,
	JNL_FS_MOUNT_OPTIONS,
	JNL_FS_BARRIER,
	JNL_FS_STABLE,
	JNL_FS_BLOCK_SIZE,
	JNL_FS_FREE_BYTES,
	JNL_FS_DIRECT_IO,
	JNL_FS_DIRECT_IO_ALIGNMENT,
	JNL_FS_FLUSH,
	JNL_FS_DATA_JOURNAL,
	JNL_FS_REFLINK,
	JNL_FS_IN_PLACE,
	JNL_FS_EXTENTS,
	JNL_FS_COUNTS_LINKS,
	JNL_FS_WRITE_ZEROES,
	JNL_FS_ATOMIC_UNIT_MIN,
	JNL_FS_ATOMIC_UNIT_MAX,
	JNL_DEVICE_NAME,
	JNL_DEVICE_NUMBER,
	JNL_DEVICE_DISK,
	JNL_DEVICE_KIND,
	JNL_DEVICE_STACK,
	JNL_DEVICE_START_BYTES,
	JNL_DEVICE_SIZE_BYTES,
	JNL_DEVICE_WRITE_CACHE,
	JNL_DEVICE_FUA,
	JNL_DEVICE_LOGICAL_BLOCK_SIZE,
	JNL_DEVICE_PHYSICAL_BLOCK_SIZE,
	JNL_DEVICE_ROTATIONAL,
	JNL_DEVICE_MAX_HW_BYTES,
	JNL_DEVICE_ATOMIC_UNIT_MIN,
	JNL_DEVICE_ATOMIC_UNIT_MAX,
	JNL_DEVICE_ATOMIC_BOUNDARY,
	JNL_DEVICE_ATOMIC_MAX,
	JNL_DRIVE_NAMESPACE,
	JNL_DRIVE_STRAIGHT,
	JNL_DRIVE_NSID,
	JNL_DRIVE_MODEL,
	JNL_DRIVE_FIRMWARE,
	JNL_DRIVE_SERIAL,
	JNL_DRIVE_TRANSPORT,
	JNL_DRIVE_CONTROLLERS,
	JNL_DRIVE_MULTI_CONTROLLER,
	JNL_DRIVE_SHARED,
	JNL_DRIVE_NODE,
	JNL_DRIVE_NODE_OPENS,
	JNL_DRIVE_FLUSH,
	JNL_DRIVE_VOLATILE_CACHE,
	JNL_DRIVE_CACHE_ENABLED,
	JNL_DRIVE_BLOCK_BYTES,
	JNL_DRIVE_MDTS,
	JNL_DRIVE_AWUN,
	JNL_DRIVE_AWUPF,
	JNL_DRIVE_NSFEAT,
	JNL_DRIVE_NAWUN,
	JNL_DRIVE_NAWUPF,
	JNL_DRIVE_NABSN,
	JNL_DRIVE_NABO,
	JNL_DRIVE_NABSPF,
	JNL_DRIVE_UNTORN_BYTES,
	JNL_FACT_COUNT
};

#define JNL_BLOCK_MIN		4096u
#define JNL_BLOCK_MAX		65536u
/* Room for the table in lib/method.c. */
#define JNL_METHODS_MAX		6

/* The methods as they compare here, once all facts are in. */
struct jnl_rank {
	size_t count;
	size_t chosen;		/* index of the best usable one, or count */
	struct journal_probe_method methods[JNL_METHODS_MAX];
	char *reasons[JNL_METHODS_MAX];
	char *none;		/* chosen == count: why, in one line */
};

/* More under one directory than this are not looked at. */
#define JNL_LAYERS_MAX	64

/* A block device under the file system, or under another one. */
struct jnl_layer {
	size_t above;		/* the layer that lies on it, or SIZE_MAX */
	char *name;		/* the kernel's, "sda1"; NULL if not known */
	char *disk;		/* of the whole disk, "sda"; or NULL */
	int name_error, disk_error;	/* why they are not known */
	char *dir;		/* of the whole disk, below /sys */
	const char *kind;	/* jnl_device_kind() of disk, or NULL */
	char *detail;		/* "crypt", "raid1", a loop's file; or NULL */
	bool partition;
	bool whole;		/* everything it lies on is known */
	/* It lies on memory, or on what swallows flushes. */
	bool forgets;
};

/* A probe that opens a journal: what no method needs here is not tried. */
#define JNL_PROBE_QUICK	(1ull << 63)

struct journal_probe {
	struct jnl_machine *machine;	/* NULL once probing is over */
	char *path;		/* what messages call it */
	uint64_t flags;		/* JOURNAL_PROBE_* */
	bool oom;

	/* Between probers: */
	char *mount_source;	/* "/dev/sda1", "tmpfs", ...; or NULL */
	char *barrier_option;	/* the option that switches flushes off */
	/* Those that no other lies on come first: none if that is not known,
	 * more than one if the file system spans several devices. */
	struct jnl_layer layers[JNL_LAYERS_MAX];
	size_t layer_count;
	size_t drive;		/* of the layers, where all are in one row: the
				 * last one; or SIZE_MAX */
	unsigned int node_major, node_minor;	/* of the generic device */
	bool cache_by_hand;	/* a cache that the kernel was told is none */

	struct journal_fact facts[JNL_FACT_COUNT];
	char *texts[JNL_FACT_COUNT];
	char *sources[JNL_FACT_COUNT];

	struct jnl_rank strict;		/* JNL_NEED_STABLE is needed */
	struct jnl_rank tolerant;	/* JNL_NEED_STABLE is waived */
	enum jnl_fact ring_fact;	/* what refuses io_uring; or COUNT */
	char *ring_reason;
	char *ring_words;		/* of jnl_probe_ring_refused() */
	char *trail;

	/* With JOURNAL_PROBE_RECORD: what was answered, and why not all of it
	 * is there (-errno), or 0. */
	struct jnl_answers answers;
	int answers_error;
};

/* facts.c */
void jnl_facts_init(journal_probe *p);
void jnl_facts_free(journal_probe *p);
void jnl_fact_number(journal_probe *p, enum jnl_fact id,
		     enum journal_fact_state state, uint64_t value,
		     const char *source);
void jnl_fact_text(journal_probe *p, enum jnl_fact id,
		   enum journal_fact_state state, const char *text,
		   const char *source);
/* Not known, because of error (negative errno, or 0 if nobody says it). */
void jnl_fact_unknown(journal_probe *p, enum jnl_fact id, int error,
		      const char *source);
/* Tried, and the answer was no: value 0 and the errno that said so. */
void jnl_fact_refused(journal_probe *p, enum jnl_fact id, int error,
		      const char *source);
const char *jnl_fact_name(enum jnl_fact id);
bool jnl_fact_known(const journal_probe *p, enum jnl_fact id);
/* Known, a text, and equal to text. */
bool jnl_fact_is(const journal_probe *p, enum jnl_fact id, const char *text);
/* The text or, if it is not known, what to say instead. */
const char *jnl_fact_text_or(const journal_probe *p, enum jnl_fact id,
			     const char *instead);
/* A copy that is charged to the probe's oom flag; NULL then. */
char *jnl_probe_strdup(journal_probe *p, const char *s);
__attribute__((format(printf, 2, 3)))
char *jnl_probe_format(journal_probe *p, const char *fmt, ...);

/* The probers, in the order in which probe.c calls them. */
void jnl_prober_kernel(journal_probe *p);
void jnl_prober_io_uring(journal_probe *p);
void jnl_prober_mount(journal_probe *p);
void jnl_prober_fs(journal_probe *p);
void jnl_prober_raw(journal_probe *p);
void jnl_prober_layers(journal_probe *p);
void jnl_prober_device(journal_probe *p);
void jnl_prober_nvme(journal_probe *p);
void jnl_prober_identify(journal_probe *p);
void jnl_prober_untorn(journal_probe *p);
void jnl_prober_stable(journal_probe *p);
void jnl_prober_tries(journal_probe *p);
void jnl_prober_in_place(journal_probe *p);

/*
 * mount.c: the file system on the device major:minor, by a mount of it.  Its
 * type is the caller's to free; *ret_flushes: 1 if it is known to flush, 0 if
 * it is known not to, else -1.  -ENOENT: it is not mounted here.
 */
int jnl_mount_of(journal_probe *p, unsigned int major, unsigned int minor,
		 char **ret_type, int *ret_flushes);

/* mount.c: is the option in the list, which has commas or newlines between
 * them?  "name=" stands for any value. */
bool jnl_has_option(const char *list, const char *option);

/* stable.c: a file system that lives in memory. */
bool jnl_type_is_memory(const char *type);

/* layers.c: straight on this kind of whole disk or a partition of it. */
bool jnl_straight_on(const journal_probe *p, const char *kind);
void jnl_layers_free(journal_probe *p);

/* layers.c: "nvme", "scsi", ... by a whole disk's kernel name. */
const char *jnl_device_kind(const char *disk);
/* device.c: the device that the directory's files bear.  -errno. */
int jnl_ask_device(journal_probe *p, unsigned int *ret_major,
		   unsigned int *ret_minor);
/* device.c: the number of the device node path; -EINVAL: it is none. */
int jnl_ask_node(journal_probe *p, const char *path, unsigned int *ret_major,
		 unsigned int *ret_minor);
/* device.c: one line of a file in a layer's directory, trimmed, as a fact. */
void jnl_set_line(journal_probe *p, enum jnl_fact id, const char *dir,
		  const char *file);

/* carrier.c: once all facts are in. */
void jnl_carrier_judge(journal_probe *p);

/* rank.c */
void jnl_rank_methods(journal_probe *p, bool allow_volatile,
		      struct jnl_rank *rank);
void jnl_rank_free(struct jnl_rank *rank);
/* Write p->trail anew, with the chosen-th method marked.  0 or -ENOMEM. */
int jnl_rank_trail(journal_probe *p, const struct jnl_rank *rank,
		   size_t chosen);
/*
 * The block size a journal needs here: not capped, a power of two.  ret_fact
 * (may be NULL) is the fact that asks for most, or JNL_FACT_COUNT.
 */
uint64_t jnl_rank_block_size(const journal_probe *p, enum jnl_fact *ret_fact);

/*
 * Probe by asking m, which is not taken over and not used any more when this
 * returns.  path is what messages call the directory; flags: JOURNAL_PROBE_*.
 * 0 or -ENOMEM.
 */
int jnl_probe_machine(journal_probe **ret_p, struct jnl_machine *m,
		      const char *path, uint64_t flags);

/* The same, by asking the real machine (jnl_probe_dir_at()). */
int jnl_probe_linux(journal_probe **ret_p, struct jnl_sys *sys, int dirfd,
		    const char *path, const char *sysroot, uint64_t flags);

/*
 * jnl_probe_dir() with /proc and /sys read below sysroot ("" for the real
 * ones): a test can write another machine's files.
 */
int jnl_probe_dir_at(journal_probe **ret_p, struct jnl_sys *sys, int dirfd,
		     const char *path, const char *sysroot);

#endif
