/*
 * probe/machine.h - the machine that a probe asks.
 *
 * Probers ask questions and make no system calls themselves.  A question is a
 * kind and a subject, the answer an error or bytes.  So the answers can come
 * from this machine, be kept while they are given (journal-probe --dump), or
 * come from a dump (--replay): the same probers, the same facts.  An answer is
 * never trusted, whoever gives it.
 *
 * Questions are asked in one order by one thread.  Tries build on each other
 * (a flush after a write), so a machine carries them out as they are asked.
 */
#ifndef JNL_PROBE_MACHINE_H
#define JNL_PROBE_MACHINE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/sys.h"

enum jnl_question {
	/*
	 * A file of /proc or /sys by its absolute path: its content.  The last
	 * part "dir" of "/proc/self/fdinfo/dir" and "/proc/self/fd/dir" stands
	 * for the number of the directory's descriptor.  Of "/proc/self/status"
	 * only the lines about seccomp: the rest is about this process.
	 */
	JNL_ASK_FILE,
	/* A symbolic link there: where it leads, as readlink(2) has it. */
	JNL_ASK_LINK,
	/* A directory there: its names, sorted, one a line. */
	JNL_ASK_LIST,
	/*
	 * A call about the directory, the scratch file or the process:
	 * "key value" lines.  Text, not structures: a dump outlives an ABI.
	 * Numbers are decimal.  A key is left out where the kernel did not say.
	 *
	 *   uname              release
	 *   getrlimit memlock  soft (a number, or "unlimited")
	 *   fstat              major minor; kind (block) if it is a device
	 *   fstatfs            type bsize frsize blocks bavail files
	 *   statx              mnt_id
	 *   statx scratch      dio_mem_align dio_offset_align
	 *                      atomic_unit_min atomic_unit_max
	 *   fstat scratch      links
	 *   flags scratch      flags (FS_IOC_GETFLAGS)
	 *   stat PATH          kind (file, block, char, other), major minor of
	 *                      its file system, rmajor rminor of a node, size
	 */
	JNL_ASK_CALL,
	/*
	 * Something that is done: "key value" lines, or the error.  Blocks and
	 * lengths are bytes.
	 *
	 *   scratch             open the scratch file: named 0|1
	 *   open direct         was it opened with O_DIRECT, too?
	 *   write N             N bytes at 0, buffered
	 *   write N direct      N bytes at 0, by O_DIRECT
	 *   rwf_dsync N         N bytes at N, with RWF_DSYNC
	 *   rwf_dsync N direct
	 *   rwf_atomic N direct N bytes at 0, with RWF_ATOMIC and RWF_DSYNC
	 *   write_zeroes N      FALLOC_FL_WRITE_ZEROES, N bytes at 0
	 *   fdatasync, fdatasync direct, fsync, fsync direct
	 *   fiemap              extents unwritten shared other
	 *   reflink             FICLONE into one more file of this kind
	 *   io_uring FLAGS      make a ring (IORING_SETUP_*): flags features
	 *   io_uring ops        op.N 1 for each operation that is supported
	 *   io_uring files      register one
	 *   io_uring buffers N  register N bytes
	 *   nvme_node NAME      open /dev/NAME to read and write: kind, rmajor
	 *                       rminor, nsid
	 *   nvme_flush NAME N   NVMe Flush for namespace N through /dev/NAME
	 */
	JNL_ASK_TRY,
	/*
	 * What a drive says through /dev/NAME, as it says it:
	 *
	 *   identify-controller NAME     Identify, CNS 01h: 4096 bytes
	 *   identify-namespace NAME N    Identify, CNS 00h, namespace N: 4096
	 *   feature NAME N               Get Features N, current: dword 0, 4
	 *                                bytes, little endian
	 */
	JNL_ASK_NVME,
};

/*
 * The error of a question that nobody answered: a dump is of an older version
 * that did not ask it, or has lost it.  No call that a machine makes gives it,
 * so it never says anything about the machine, nor about its storage (where
 * ENODATA, for one, is a medium error).
 */
#define JNL_UNANSWERED	(-ENOMSG)

struct jnl_answer {
	int error;	/* negative errno, or 0 and */
	char *data;	/* len bytes and a NUL behind them; the asker's to free */
	size_t len;
};

struct jnl_machine {
	/*
	 * At most max bytes, else -EFBIG.  Never fails to answer: a question
	 * that cannot be answered has an error.
	 */
	void (*ask)(struct jnl_machine *m, enum jnl_question kind,
		    const char *subject, size_t max,
		    struct jnl_answer *ret_answer);
};

/* The machine that this process runs on. */
struct jnl_machine_linux {
	struct jnl_machine machine;	/* first: the machine is the object */
	struct jnl_sys *sys;
	int dirfd;			/* of the probed directory */
	const char *sysroot;		/* prefix of /proc and /sys */
	/* The scratch file, buffered and O_DIRECT: a descriptor, or the
	 * negative errno of opening it. */
	int scratch_fd;
	int direct_fd;
	bool named;			/* they have had a name */
	void *libnvme;			/* of dlopen(3); NULL: not loaded */
};

/*
 * Nothing is taken over; sysroot is "" but in tests.  Nothing is opened before
 * it is asked for.
 */
void jnl_machine_linux_init(struct jnl_machine_linux *l, struct jnl_sys *sys,
			    int dirfd, const char *sysroot);

/* Closes the scratch file. */
void jnl_machine_linux_close(struct jnl_machine_linux *l);

#endif
