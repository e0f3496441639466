/*
 * tests/sim/sys.h - a system-call table over a simulated disk: one process.
 *
 * Every call that changes something is a step: the function given as step is
 * called between the moments at which a crash would leave something else, so
 * before a write, flush or change of the directory is complete and after it.
 * A process that is dead gets -EIO from every call and changes nothing; so a
 * journal that was open in it can be closed to give back its memory.
 */
#ifndef JNL_SIM_SYS_H
#define JNL_SIM_SYS_H

#include "lib/sys.h"
#include "tests/sim/disk.h"

#define SIM_FDS		48
#define SIM_FD_BASE	1000
#define SIM_LOCKS	16
/* The generic device of the namespace that the disk is, and its number. */
#define SIM_NG		"/dev/ng0n1"
#define SIM_NG_MAJOR	240
#define SIM_NG_MINOR	1
#define SIM_NG_NSID	1

enum sim_call {
	SIM_CALL_WRITE,
	SIM_CALL_FLUSH,		/* fsync or fdatasync of a file */
	SIM_CALL_DIRSYNC,
	SIM_CALL_ALLOCATE,
	SIM_CALL_OPEN,
	SIM_CALL_RENAME,
};

struct sim_fd {
	enum {
		SIM_CLOSED, SIM_ROOT, SIM_DIRECTORY, SIM_FILE, SIM_NODE,
	} kind;
	int file;
	bool direct, writes;
	bool claims;		/* the device, exclusively */
	uint32_t failures;	/* flush failures this open file has seen */
	char name[SIM_NAME];	/* it was opened by */
};

struct sim_lock {
	int file, fd, type;	/* F_RDLCK, F_WRLCK */
	uint64_t from, to;
};

struct sim {
	struct jnl_sys sys;	/* first: a table is its simulator */
	struct sim_disk *disk;
	struct sim_pick random;	/* what the process draws */
	struct sim_pick chance;	/* what failures leave */
	struct sim_fd fd[SIM_FDS];
	struct sim_lock lock[SIM_LOCKS];
	int locks;
	bool dead;
	bool no_direct;		/* O_DIRECT is refused */
	uint32_t untorn;	/* RWF_ATOMIC up to so many bytes; 0: refused */
	bool tears;		/* and the drive does not keep it */
	void (*step)(void *arg);
	void *arg;
	/* 0, or the error with which the call ends. */
	int (*fault)(void *arg, enum sim_call call, const char *name);
	uint64_t changes;	/* calls that changed the disk */
};

/* A process that sees disk, which stays the caller's. */
void sim_init(struct sim *s, struct sim_disk *disk, uint64_t seed);
/* The table's own functions, for a table that changes one of them. */
void sim_table(struct jnl_sys *sys);
/* Descriptors that are still open. */
int sim_open_fds(const struct sim *s);
struct sim_fd *sim_fd_of(struct sim *s, int fd);

#endif
