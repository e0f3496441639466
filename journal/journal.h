/*
 * journal.h - an append-only journal that keeps its word.
 *
 * Link with -ljournal (pkg-config libjournal).  The contract in short:
 *
 *   - journal_sync() returning 0 for a record's LSN means that the record is
 *     on stable storage and will be read back after a crash of the process,
 *     the kernel or the power.
 *   - What is read back after a crash is a prefix of what was appended.
 *   - Damage is reported, never taken for the end.
 *   - A failed write or flush is never asked again.  Either a new file, made
 *     of what the medium gives back and what is still in memory, takes the
 *     place of the failed one, or every later call returns that first error.
 *
 * Read libjournal's doc/failure-model for what is promised and what is not.
 *
 * Conventions.  Functions return 0 or a count on success and a negative errno
 * on failure.  ret_ pointers are written on success only.  The library prints
 * nothing, installs no signal handler, reads no environment variable and keeps
 * no global state.  Sizes and positions are in bytes.
 *
 * Caveats, before anything else:
 *   - One writer at a time: a second journal_open() for writing gets -EBUSY,
 *     from any process on the machine.
 *   - A child of fork(2) must not use its parent's journal or reader: every
 *     call there returns -EOWNERDEAD, but the closing one, which lets go of
 *     it.  While such a child lives, the lock of a parent that was killed
 *     lives too.
 *   - A journal is not for a network file system shared by several machines.
 */
#ifndef JOURNAL_H
#define JOURNAL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * An LSN (log sequence number) is a byte position in the journal's virtual
 * stream.  A record's LSN is where it begins; it is below 2^63 and never 0.
 * A record is durable if and only if its LSN is below the frontier.
 */
typedef struct journal journal;
typedef struct journal_reader journal_reader;

/*
 * What went wrong, for people: filled in by a failing call that was given
 * one, left alone otherwise.  message is one line that names the file and
 * says what to do; it is never needed to decide anything (code is).
 */
struct journal_error {
	int32_t code;		/* the negative errno that was returned */
	uint32_t reserved;	/* 0 */
	uint64_t lsn;		/* where, or JOURNAL_LSN_NONE */
	char file[256];		/* the file concerned, or "" */
	char message[512];
};

#define JOURNAL_LSN_NONE UINT64_MAX

/* ------------------------------------------------------------------------
 * Opening and closing
 */

enum journal_flags {
	/* Make the directory and the journal if they are not there. */
	JOURNAL_CREATE		= 1,
	/* With JOURNAL_CREATE: fail with -EEXIST if there is a journal. */
	JOURNAL_EXCLUSIVE	= 2,
	/* Take no lock for writing, change nothing; only journal_info() and
	 * journal_close() work on the result. */
	JOURNAL_READ_ONLY	= 4,
	/* Accept storage that forgets when the power goes (tmpfs, ramfs): for
	 * tests.  The promise then covers the death of the process only. */
	JOURNAL_VOLATILE	= 8,
	/* With JOURNAL_CREATE, on a block device: make a new journal, whatever
	 * the device holds, another journal too.  All of that is lost. */
	JOURNAL_OVERWRITE	= 16,
	/* The carrier io_uring: a thread of the kernel takes the submissions,
	 * at the price of a processor.  An option, not a demand: where it is
	 * refused the ring goes on without. */
	JOURNAL_SQPOLL		= 1 << 8,
	/* Where the journal lies straight on an NVMe namespace, commits may be
	 * made durable by the drive's own Flush command, past the file system:
	 * the method "nvme-flush".  A permission: where its conditions do not
	 * hold (journal_info()'s trail says which) the journal is opened as
	 * without it.  It needs write permission for the namespace's generic
	 * device, /dev/ngXnY, and that is raw access to the whole namespace,
	 * past every file permission: give it to nobody who may not have it.
	 * A journal on a whole namespace (/dev/nvmeXnY, not a partition) has
	 * all of it anyway: there JOURNAL_MEASURE compares this method without
	 * the flag, and it is used if it was measured to be faster. */
	JOURNAL_PASSTHROUGH	= 1 << 9,
	/* Measure which method, driver and carrier are fastest here, before
	 * the journal is open; use that, and keep it with the journal for
	 * later opens.  Takes about a second, and writes at most 400 MiB to
	 * files without a name in the directory.  With JOURNAL_PASSTHROUGH the
	 * method "nvme-flush" is measured against the others; what was
	 * measured without that flag is not used with it, nor the other way
	 * round (on a whole namespace, see above, the two are one).
	 *
	 * On a block device it writes, as much, to at most 8 MiB that hold no
	 * segment.  With less than 2 MiB side by side that hold none nothing
	 * is measured or kept, and journal_info() says so in its field
	 * measured. */
	JOURNAL_MEASURE		= 1 << 10,
	/* Keep no file "stats" in the directory: journal_stats_at() then has
	 * nothing to show. */
	JOURNAL_NO_STATS	= 1 << 11,
};

/* What happens to a journal, for those who keep watch over it. */
enum journal_event_kind {
	/* A method, a carrier or a driver was to be had no longer, or not at
	 * all, and another one took its place; it promises the same.  reason
	 * is the line of journal_info()'s trail. */
	JOURNAL_EVENT_FALLBACK		= 1,
	/* Something takes longer than stall_ms: stall says what.  Told once
	 * for each. */
	JOURNAL_EVENT_STALL		= 2,
	/* It has ended: duration_ns is how long it took; code says how. */
	JOURNAL_EVENT_STALL_END		= 3,
	/* The next segment is there, of which lsn is the beginning: a new
	 * file, or (recycled) one that was given back. */
	JOURNAL_EVENT_SEGMENT		= 4,
	/* A new file has taken the place of the segment at lsn, where a write
	 * or flush had failed with code.  Nothing is lost. */
	JOURNAL_EVENT_REPLACEMENT	= 5,
	/* The journal has ended with code, for good; lsn is the frontier. */
	JOURNAL_EVENT_FAILURE		= 6,
};

enum journal_stall {
	JOURNAL_STALL_WRITE	= 1,	/* a write of a batch */
	JOURNAL_STALL_FLUSH	= 2,	/* a flush */
	JOURNAL_STALL_ROOM	= 3,	/* an append waits for the queue */
	/* An append waits for the next segment; with the driver "loop": was
	 * refused for want of one. */
	JOURNAL_STALL_SEGMENT	= 4,
};

struct journal_event {
	uint32_t kind;		/* enum journal_event_kind */
	uint32_t stall;		/* enum journal_stall, or 0 */
	int32_t code;		/* 0, or a negative errno */
	uint32_t recycled;	/* 1 or 0 */
	uint64_t time_ns;	/* since 1970 (CLOCK_REALTIME) */
	/* Where: of a write its batch, of a flush the frontier, of an append
	 * the end of what was appended when it began to wait. */
	uint64_t lsn;		/* or JOURNAL_LSN_NONE */
	uint64_t duration_ns;	/* stalls: so far, or as a whole */
	/* Events that were lost just before this one: there was no room. */
	uint64_t dropped;
	uint64_t reserved[4];	/* 0 */
	char reason[192];	/* one line for people */
};

/*
 * Who is told.  event() is called by a thread of the library that does nothing
 * else: one event at a time, in their order, with every driver; none before
 * the journal is open and *ret_j of journal_open() written (which need not have
 * returned), and none after journal_close() has returned.  ev is valid until
 * event() returns.
 *
 * No lock is held meanwhile and nothing waits for event(): it may take its
 * time and wait for locks.  It may call every function of this library on the
 * journal but journal_close(), which waits for it.  Then up to 64 events
 * gather; those that come on top are dropped, and the next one tells how many.
 * An event loop that wants events in its own thread has event() write to a
 * descriptor of its own, as eventfd(2).  All signals are blocked in this
 * thread.  After fork(2) there is none in the child.
 */
struct journal_observer {
	size_t size;		/* sizeof(struct journal_observer) */
	void *arg;		/* handed on */
	void (*event)(void *arg, const struct journal_event *ev);
};

#define JOURNAL_OBSERVER_INIT { .size = sizeof(struct journal_observer) }

/* So many of the newest events are kept. */
#define JOURNAL_PAST_EVENTS 8

/*
 * Options of journal_open().  Zero is the default everywhere; fields are only
 * ever appended.  size is sizeof(struct journal_options) as you compiled it:
 * a library that is older than your header refuses with -E2BIG what it does
 * not know, if it is not zero.
 */
struct journal_options {
	size_t size;
	uint64_t flags;		/* enum journal_flags */
	/* "direct", "buffered" or "nvme-flush": only this method, or failure.
	 * NULL: what was measured to be best, if that is kept with the journal
	 * and nothing has changed since (JOURNAL_MEASURE), else the best that
	 * the kernel, the file system and the drive allow; not nvme-flush,
	 * unless JOURNAL_PASSTHROUGH is given or that was measured.  A journal that was opened with
	 * nvme-flush and cannot go on with it goes on as with "direct", which
	 * promises the same. */
	const char *method;
	/* Size of a segment file: a multiple of 64 KiB, at most 1 TiB; 0 is
	 * 64 MiB.  An existing journal keeps its own. */
	uint64_t segment_size;
	/* The largest record; 0 is 1 MiB, or what fits into a segment if that
	 * is less.  Memory grows with (queue_depth + 1) times this. */
	uint32_t record_max;
	/* Most batches written but not yet known durable, 1 to 64; 0 is 4. */
	uint32_t queue_depth;
	/* An LSN that was known to be durable, kept elsewhere: opening fails
	 * with -EBADMSG if the journal ends before it.  0 is none. */
	uint64_t witness_lsn;
	/* Where to say more about a failure; may be NULL. */
	struct journal_error *error;
	/* Who carries commits out: "caller", the threads that wait for them;
	 * "thread", one of the library's; "loop", an event loop of yours, which
	 * nothing then blocks ("In an event loop" below).  NULL: as the
	 * carrier needs it or, with no carrier given, as was measured, else
	 * "caller".  All give the same guarantee. */
	const char *driver;
	/* What carries a write: "pwritev2", or "io_uring", which needs the
	 * driver "thread" or "loop" and the method "direct": only this, or
	 * -EOPNOTSUPP.  NULL: io_uring for these drivers where the kernel
	 * allows it, else pwritev2. */
	const char *carrier;
	/* Who is told what happens; copied.  NULL: nobody.  Nothing happens
	 * to a journal that is opened with JOURNAL_READ_ONLY. */
	const struct journal_observer *observer;
	/* A write, a flush or a waiting append that takes longer is a stall,
	 * in milliseconds; 0 is 5000, UINT32_MAX: nothing is one. */
	uint32_t stall_ms;
	uint32_t reserved;	/* 0 */
};

#define JOURNAL_OPTIONS_INIT { .size = sizeof(struct journal_options) }

/*
 * Open the journal in the directory path, or on the block device (a disk or a
 * partition) path; make it first with JOURNAL_CREATE.
 * options may be NULL.  On success the caller owns *ret_j and gives it back
 * with journal_close().  Everything that was acknowledged before is there,
 * and is durable now.  Making a new journal writes at most 2 MiB before it
 * returns, on a device a whole segment; an existing one whose last segment is
 * full may need a new one.
 *
 * On a device there is no file system: the journal has all of it, in segments
 * of one size behind an area of 2 MiB, and as many of them as it has room for
 * when it is opened.  A writer has the device for itself (O_EXCL): a mounted
 * one is refused.  Reach it by one node: another one of the same device does
 * not see the lock of readers and writers.  Whoever opens it needs the rights
 * to the node each time a segment is made or removed.
 *
 *   -EBADMSG          acknowledged data is damaged or gone; nothing changed
 *   -ENODATA          a segment is missing
 *   -EXDEV            a segment belongs to another journal
 *   -EPROTONOSUPPORT  written by a newer version of the library
 *   -EBUSY            another writer has it open (journal_lock_holder()), or
 *                     a reader has been recovering it for half a minute,
 *                     or the device is mounted or in use
 *   -ENOENT           no journal there, and no JOURNAL_CREATE
 *   -EEXIST           JOURNAL_EXCLUSIVE, and there is one; or a device that
 *                     holds something else, and no JOURNAL_OVERWRITE
 *   -ENOTDIR          path is neither a directory nor a block device
 *   -EINVAL           an option out of range, an observer without size or
 *                     event, or a directory that is not empty and not a
 *                     journal
 *   -E2BIG            options from the future
 *   -EOPNOTSUPP       no method can be durable here, or not the one asked for
 *   -EROFS, -EACCES, -ENOSPC, -ENOMEM, -EIO, ... as the system says
 */
int journal_open(journal **ret_j, const char *path,
		 const struct journal_options *options);

/*
 * Make everything appended durable, write a closing watermark, let go of the
 * lock and free j, also on failure.  Open reservations are abandoned: their
 * memory is gone, and nobody may be filling it.  Returns 0, or the error that
 * kept records that were not yet synced from becoming durable.  NULL is allowed.  No other
 * thread may be using j.
 */
int journal_close(journal *j);

/* ------------------------------------------------------------------------
 * Appending
 *
 * Any number of threads.  The order of LSNs is the order of the records.
 */

/*
 * Append one record made of iovcnt pieces (0 to 1024; the record may be
 * empty).  The bytes are copied.  The record is not durable yet.  Blocks while
 * queue_depth batches wait for the device; with the driver "loop" it never
 * does.  ret_lsn may be NULL.
 *
 *   -EAGAIN      driver "loop" only: the queue is full, or the next segment is
 *                being made; no LSN was taken.  journal_eventfd() will be
 *                readable when it is worth another try
 *   -EMSGSIZE    larger than record_max; the journal goes on
 *   -ENOSPC, -EDQUOT, -ENOMEM, -EMFILE, -ENFILE, ... while the next segment
 *                is made: no LSN was taken, and the journal goes on once that
 *                has passed; journal_info() tells by its field failed if it
 *                has not (then the error is for good)
 *   -EINVAL      iovcnt out of range
 *   -EROFS       opened with JOURNAL_READ_ONLY
 *   -EOWNERDEAD  in a child of fork(2)
 *   any other: the first failure that no new file could make up for; for good
 */
int journal_append(journal *j, const struct iovec *iov, int iovcnt,
		   uint64_t *ret_lsn);

/*
 * Append count records (1 to 65536), each one piece of records, as one group:
 * after a crash all of them are there, or none; no other record lies between
 * them.  ret_lsns takes their LSNs, count of them, or is NULL; to wait for the
 * group, sync its last.  Errors as journal_append(); -EMSGSIZE also if they do
 * not fit into one batch: the records' lengths, each rounded up to 8 and with
 * 8 more, may add up to what one record of record_max takes.
 */
int journal_append_group(journal *j, const struct iovec *records, int count,
			 uint64_t *ret_lsns);

/* ------------------------------------------------------------------------
 * Filling in place
 *
 * Instead of handing bytes over to be copied, have a place for them in the
 * memory that is going to be written, fill it, and publish it.  Any number of
 * threads fill at the same time, and none of them waits for another one.
 *
 * A commit takes what is published and does not wait for the rest.  A record
 * that is not yet published when its neighbours are committed loses its place:
 * it is appended when it is published, behind the others and by a copy, as
 * journal_append() would have done.  So fill at once and publish soon; what
 * takes long, or waits for somebody, gains nothing by a reservation.  Until it
 * is published there is no record, in memory or after a crash.
 */

struct journal_reservation {
	void *data;	/* where to put the record; aligned to 8 bytes */
	size_t len;	/* how much there is room for */
	uint64_t id;	/* the library's; 0: none */
};

/*
 * Reserve a place for a record of up to len bytes.  What is at
 * ret_reservation->data is undefined, and the caller's alone until the
 * reservation ends (what lies around it, and there afterwards, are records of
 * others, which nothing protects from being written over): by journal_publish(), by journal_abandon(), or with
 * journal_close().  The structure belongs to the caller and may be moved; any
 * one thread at a time may use it.  It may block as journal_append() does.
 *
 * At most JOURNAL_RESERVATIONS_MAX are open at a time.  Memory for up to four
 * more commits, each as large as the largest record, is taken as it is needed
 * and kept until the journal is closed: one for each commit that gathers or has
 * gone with reservations in it still open.  Beyond these a reservation has len
 * bytes of its own, and is copied when it is published.
 *
 *   -ENOBUFS  JOURNAL_RESERVATIONS_MAX are open: publish or abandon some
 *   -ENOMEM
 *   others as journal_append(); nothing is reserved then
 */
int journal_reserve(journal *j, size_t len,
		    struct journal_reservation *ret_reservation);

#define JOURNAL_RESERVATIONS_MAX 1024

/*
 * Make the first used bytes (at most len, and there may be none) a record, as
 * if it had been appended: not durable yet, and at an LSN that nobody else
 * has.  In time it has the place that was reserved, and so lies before records
 * that were appended meanwhile; else behind them, and then this may block, or
 * return -EAGAIN, as journal_append().  ret_lsn may be NULL.
 *
 * 0, and the reservation has ended: *reservation is zeroed, and the memory is
 * not the caller's any more.  On failure it is open as before: try again, or
 * abandon it.
 *
 *   -EINVAL  no open reservation of this journal, or used is above len
 *   others as journal_append()
 */
int journal_publish(journal *j, struct journal_reservation *reservation,
		    size_t used, uint64_t *ret_lsn);

/*
 * End the reservation without a record, and zero *reservation.  Waits for
 * nothing, and works also when the journal has failed.
 *
 *   -EINVAL      no open reservation of this journal
 *   -EROFS       opened with JOURNAL_READ_ONLY
 *   -EOWNERDEAD  in a child of fork(2), where data is not mapped either
 */
int journal_abandon(journal *j, struct journal_reservation *reservation);

/* ------------------------------------------------------------------------
 * Waiting
 */

/*
 * Wait until the record at lsn, and every record before it, is durable.  lsn
 * must have come from journal_append() on this journal: -EINVAL if it is at
 * or beyond the end of what was appended.  Other errors as journal_append();
 * an error means that the record is not known to be durable, and will not be
 * acknowledged later.  It waits with the driver "loop" too: for the time
 * before and after the loop runs.
 */
int journal_sync(journal *j, uint64_t lsn);

/* journal_append(), then journal_sync(); waits for room with any driver. */
int journal_commit(journal *j, const struct iovec *iov, int iovcnt,
		   uint64_t *ret_lsn);

/*
 * Give back the records below lsn, which is at most the frontier: they are no
 * longer needed.  Any thread; returns at once and waits for no device.
 *
 * What was asked becomes durable with the next commit, or with the watermark
 * that is written when the journal has been idle for a moment, or when it is
 * closed; journal_info() then has it as first_lsn.  From then on no reader and
 * no later open sees a record below lsn, and the segment files that lie wholly
 * below it go: one may be kept to become the next segment, the others are
 * removed.  Until then a crash can undo it, as a whole: records given back are
 * there again, all from some point on.  An append that finds no room for
 * another segment makes a trim durable first that would make some.
 *
 * Giving back less than was given back already changes nothing.
 *
 *   -EINVAL      lsn is above the frontier; nothing was given back
 *   -EROFS       opened with JOURNAL_READ_ONLY
 *   -EOWNERDEAD  in a child of fork(2)
 *   any other: the first failure that no new file could make up for; for good
 */
int journal_trim(journal *j, uint64_t lsn);

/* ------------------------------------------------------------------------
 * In an event loop
 *
 * With the driver "loop" nothing that a loop calls waits for the device:
 *
 *   - journal_append() what there is to append, and remember each LSN with the
 *     answer that waits for it; on -EAGAIN read no more from the clients;
 *   - journal_submit() once, at the end of the turn;
 *   - when journal_eventfd() is readable: journal_durable(), send the answers
 *     whose LSN is below the frontier, try again what got -EAGAIN, and
 *     journal_submit() if that appended something.
 *
 * While a commit is under way what is appended gathers for the next one, which
 * journal_durable() starts: one write acknowledges everything that was
 * submitted meanwhile.  Where your turns have been short beside a write it
 * leaves that to the journal_submit() that follows, so that what the answers
 * bring goes with it, and keeps the descriptor readable: without a submit, the
 * next journal_durable() starts it.  journal_append(), _append_group(), _submit(),
 * _durable(), _eventfd(), _trim(), _info() and _stats() do not wait;
 * journal_sync(), journal_commit() and journal_close() do.  All of them may be
 * called by any number of threads.
 *
 * Where io_uring is refused a thread of the library carries the writes, behind
 * the same calls; journal_info() has the reason in its trail.  Where it is
 * not, the kernel completes a write with the help of the thread that submitted
 * it: a system call of that thread may return early with EINTR, as for a
 * signal (epoll_wait(2) does, and is to be called again).
 *
 * With the other drivers these three calls return -EOPNOTSUPP.  They also
 * return -EROFS for a journal opened with JOURNAL_READ_ONLY, -EOWNERDEAD in a
 * child of fork(2), and what is said with each.
 */

/*
 * Ask that everything appended so far becomes durable, and hand to the kernel
 * what can be handed to it now.  Never blocks on the device.  0, or the first
 * failure that no new file could make up for; for good.
 */
int journal_submit(journal *j);

/*
 * A descriptor (an eventfd(2)) that is readable when
 *   - something may have become durable,
 *   - an append that got -EAGAIN is worth another try,
 *   - the journal has failed for good; then it stays readable.
 * It may be readable for no reason.  It belongs to the journal and is closed
 * by journal_close(); it is the same for as long as the journal is open.  Watch
 * it with poll(2), epoll(7), level- or edge-triggered, libuv, libevent or
 * another io_uring; do not read or write it: journal_durable() clears it.
 * Returns the descriptor (>= 0), or -errno.
 */
int journal_eventfd(journal *j);

/*
 * See what has become durable and start the next commit.  Never blocks on the
 * device.  0 and the frontier: every record whose LSN is below *ret_frontier is
 * durable.  Clears the descriptor before it looks, so that nothing is missed:
 * what comes later makes it readable again.
 *
 * Or the first failure that no new file could make up for; for good, and no
 * record at or above journal_info()'s frontier will be acknowledged.
 */
int journal_durable(journal *j, uint64_t *ret_frontier);

/* ------------------------------------------------------------------------
 * What is known about a journal
 */

struct journal_info {
	size_t size;		/* sizeof(struct journal_info), set by you */
	uint8_t uuid[16];
	uint32_t format;	/* version of the format on disk */
	uint32_t block_size;
	uint64_t segment_size;
	uint64_t segments;	/* segment files, spares included */
	/* No record lies below it: what journal_trim() gave back, durably. */
	uint64_t first_lsn;
	uint64_t frontier;	/* first byte that is not durable */
	uint64_t end;		/* first byte after what was appended */
	uint32_t record_max;
	uint32_t queue_depth;
	/* How appends are made durable here, and why so.  Strings belong to
	 * the journal and live until journal_close(). */
	const char *method;	/* "direct", "buffered", "nvme-flush", or "" if
				 * read-only */
	const char *carrier;	/* what carries a write: "pwritev2", "io_uring" */
	const char *barrier;	/* "RWF_DSYNC", "fdatasync", "fsync", or "NVMe
				 * Flush" */
	/* One line for each method, then for driver and carrier: chosen or
	 * why not. */
	const char *trail;
	/* What the last open found behind the last acknowledged batch: the
	 * remains of writes that were never acknowledged. */
	uint64_t recovered_lsn;	/* where the journal ended */
	uint64_t tail_bytes;	/* bytes that hold remains; 0 after a clean end */
	uint32_t tail_batches;	/* batch headers among them */
	int32_t failed;		/* 0, or the error that ended the journal */
	uint32_t writer;	/* read-only: 1 if a writer was at work */
	/*
	 * A record of up to so many bytes that is committed alone lies in one
	 * block, which kernel, file system and drive promise to write whole or
	 * not at all, whenever the power goes; if it is found in part all the
	 * same, opening reports damage.  0: nobody promises that, or not any
	 * more after a failed write; then a torn commit is found by its
	 * checksum and was never there.  Larger commits are written so where
	 * their place allows it, which is not known beforehand.
	 */
	uint32_t untorn_max;
	/* Who carries: "caller", "thread", "loop", or "" if read-only. */
	const char *driver;
	/* On a block device: segments there is room for; 0 in a directory. */
	uint64_t slots;
	/* A measured choice and what became of it, in one line; "" if there
	 * is none.  See JOURNAL_MEASURE. */
	const char *measured;
};

#define JOURNAL_INFO_INIT { .size = sizeof(struct journal_info) }

/* Any thread.  -EINVAL if info->size is smaller than the first version's. */
int journal_info(journal *j, struct journal_info *info);

/*
 * Counted since journal_open(), at no price worth mentioning.  A histogram's
 * element i counts values from 2^i to 2^(i+1) - 1, element 0 zero too.
 */
struct journal_stats {
	size_t size;		/* sizeof(struct journal_stats), set by you */
	uint64_t records;	/* appended */
	uint64_t payload;	/* bytes of them */
	uint64_t batches;	/* handed to the device: commits, watermarks,
				 * and the skips at the end of segments */
	uint64_t flushes;	/* separate ones; none where a write is durable
				 * itself */
	uint64_t replacements;	/* failed segments that a new file replaced */
	/* Waits of an append (loop: its -EAGAIN) for room in the queue. */
	uint64_t stalls_queue;
	uint64_t stalls_segment;	/* ... for the next segment */
	uint64_t failures;	/* times making the next segment failed */
	uint64_t action_max_ns;	/* the longest write or flush */
	uint64_t action_ns[40];	/* histogram: how long writes and flushes took */
	uint64_t batch_records[24];	/* histogram: records in a batch */
	uint64_t in_place;	/* of the records: published in their place */
	uint64_t late;		/* ... and published by a copy */
	/* Writes and flushes that took longer than stall_ms, or do so now. */
	uint64_t stalls_device;
	uint64_t events_dropped;	/* never told, for want of room */
};

#define JOURNAL_STATS_INIT { .size = sizeof(struct journal_stats) }

/* Any thread.  -EINVAL if stats->size is smaller than the first version's,
 * -EROFS for a journal opened with JOURNAL_READ_ONLY, -EOWNERDEAD. */
int journal_stats(journal *j, struct journal_stats *stats);

enum journal_writer {
	JOURNAL_WRITER_NONE	= 0,	/* nobody writes */
	JOURNAL_WRITER_AT_WORK	= 1,	/* whose figures these are */
	/* Another one, which is still opening the journal, or keeps no
	 * figures: these are of the one before. */
	JOURNAL_WRITER_OTHER	= 2,
};

/* What a writer, in whatever process, was doing at updated_ns. */
struct journal_snapshot {
	size_t size;		/* sizeof(struct journal_snapshot) */
	uint32_t writer;	/* enum journal_writer */
	uint32_t closed;	/* 1: it has closed the journal */
	int32_t failed;		/* as in journal_info() */
	/* Writes and flushes that are under way, and for how long the oldest
	 * has been; 0 unless the writer is at work. */
	uint32_t outstanding;
	uint64_t oldest_ns;
	int64_t pid;		/* in its own PID namespace */
	uint64_t opened_ns;	/* both since 1970 (CLOCK_REALTIME) */
	uint64_t updated_ns;	/* changes when something else does */
	uint8_t uuid[16];
	uint8_t boot_id[16];	/* of the kernel it ran on; zeros: unknown */
	uint64_t frontier, end, first_lsn, segments, segment_size;
	char method[16], carrier[16], driver[16], barrier[16];
	uint64_t events;	/* ever; the newest of them, oldest first: */
	struct journal_event event[JOURNAL_PAST_EVENTS];
};

#define JOURNAL_SNAPSHOT_INIT { .size = sizeof(struct journal_snapshot) }

/*
 * The figures that the writer of the journal in the directory path keeps in
 * the file "stats" there: of one at work, at most a tenth of a second old
 * unless it stands still, else of the last one.  Any process, any thread; it
 * changes nothing.  They are for people and monitors: what is durable is told
 * by journal_durable(), journal_sync() and reading, never by this.
 *
 *   -ENODATA          there is no such file: no journal, or one that is
 *                     written with JOURNAL_NO_STATS, or where it could not be
 *                     made (its writer's journal_info() has the reason)
 *   -EOPNOTSUPP       a block device, which has no files
 *   -EINVAL           a size smaller than the first version's, or the file is
 *                     something else
 *   -EPROTONOSUPPORT  of a newer version of the library
 *   -EUCLEAN          it is not whole, and does not become so
 *   -ENOENT, -ENOTDIR, -EACCES, -EIO, ... as the system says
 */
int journal_stats_at(const char *path, struct journal_snapshot *snapshot,
		     struct journal_stats *stats);

/*
 * The process that holds the journal in path open for writing.  0 if there is
 * one (and *ret_pid is its number in its own PID namespace, 0 while it is
 * still opening), -ENOENT if nobody does or there is no journal, -errno
 * otherwise.
 */
int journal_lock_holder(const char *path, pid_t *ret_pid);

/* ------------------------------------------------------------------------
 * Reading
 *
 * A reader changes nothing.  Beside a writer, in this or another process, it
 * sees durable records only: it ends at the last watermark that the writer
 * wrote, which follows the last acknowledged record when the writer pauses.
 * Without one it recovers the journal as journal_open() would, and sees every
 * acknowledged record; after a crash it may also see some that were written
 * and not acknowledged, which are no promise until the next journal_open()
 * for writing has made them one.  A reader is for one thread at a time.
 */

struct journal_record {
	uint64_t lsn;
	const void *data;	/* valid until the next call on the reader */
	size_t len;
};

/*
 * Open for reading, at the first record whose LSN is lsn or more (0: the
 * first there is).  error may be NULL.  Errors as journal_open(), and -ERANGE
 * for an lsn beyond the end or below what was given back by trim; error->lsn
 * is then the end, or the first there is.
 */
int journal_reader_open(journal_reader **ret_r, const char *path, uint64_t lsn,
			struct journal_error *error);

/*
 * 1 and *ret_record, 0 at the end, negative on failure; then the same error
 * again until journal_reader_seek().  -EBADMSG: this record and those after
 * it in the same batch cannot be read back as they were written.  -ENODATA:
 * here a salvaged journal has a hole, of records that were lost;
 * journal_reader_error() has the LSN behind it, to go on at.  -ERANGE: a
 * writer has given back what was to come next; journal_reader_error() has the
 * LSN to go on at.
 */
int journal_reader_next(journal_reader *r, struct journal_record *ret_record);

/*
 * The same for up to n records at a time, n at least 1: how many there were at
 * hand, at least one, each valid until the next call on the reader; 0 at the
 * end; negative on failure, as above, or -EINVAL for n.  For whoever scans, or
 * calls from a language where a call is dear.
 */
int journal_reader_next_many(journal_reader *r,
			     struct journal_record *ret_records, int n);

/*
 * Wait at the end until journal_reader_next() may have more: 1, at once if it
 * has now; 0 if nothing came in timeout_ms milliseconds (negative: no limit) or
 * a signal handler ran; negative on failure.  With timeout_ms 0 it only looks.
 *
 * Beside a writer more is there once the writer has said on the medium that it
 * is durable: with its next commit, or, if none follows, within about a tenth
 * of a second.  Nothing comes while the writer stands still.  When the writer
 * has gone, however that was, the journal is recovered once as at opening, and
 * what was not read yet is there; then the next writer is waited for.
 *
 * -ERANGE: as from journal_reader_next().  -EBADMSG and others as at opening;
 * -EXDEV: another journal is in its place.  Those stay until
 * journal_reader_seek().  -EMFILE, -ENFILE, -ENOMEM: cannot wait now; nothing
 * stays, unless it was reading the journal that failed.  -EOWNERDEAD after
 * fork(2).  For the reader's one thread; no cancellation point.
 */
int journal_reader_wait(journal_reader *r, int timeout_ms);

/*
 * A descriptor for poll(2), epoll(7) and event loops, readable when it is
 * worth a call of journal_reader_wait(r, 0), which alone makes it unreadable
 * again; it may be so for nothing.  First at once; then by inotify(7) or, where
 * there is none and for what it does not tell (a writer that has died; one on
 * another machine), after a while.  Read until journal_reader_next() returns 0
 * before you wait for it.  It is the reader's: not to be read or closed.
 * Negative: the reader's error, or as from journal_reader_wait().
 */
int journal_reader_fd(journal_reader *r);

/* Go to the first record whose LSN is lsn or more.  Errors as at opening. */
int journal_reader_seek(journal_reader *r, uint64_t lsn);

/* One record to read: lsn, buf and cap are the caller's, the rest the answer. */
struct journal_read {
	uint64_t lsn;		/* as journal_append() or a reader told it */
	void *buf;		/* cap bytes, for the payload */
	size_t cap;
	size_t len;		/* of the record, with err 0 and -EMSGSIZE */
	int err;		/* 0: buf has it; or one of those below */
};

/*
 * Read n records by their LSNs, from anywhere, in any order, the same one as
 * often as you like.  Returns how many have err 0, or negative if nothing could
 * be looked for (then every err is the same).  Each record's batch is read and
 * its checksum compared; records of one batch share it, and up to 64 batches
 * (8 MiB, or one larger batch) are read at a time by one submission to an
 * io_uring, where there is one to be had, else one after the other.  What the
 * call has started has ended when it returns.
 *
 * The first call recovers, as opening does; the first one for a segment reads
 * the headers of its batches up to there.  Both are remembered (about 16 MiB
 * and what is read at a time), so that later calls read nothing but batches.
 * Where the reader stands, and what it gave out, stays.  Beside a writer only
 * durable records are there: for an LSN beyond the end it looks once a call
 * where the end is now.
 *
 * err is then
 *   -ERANGE    below the first record there is, given back meanwhile, or at or
 *              beyond the end
 *   -EINVAL    no record begins there
 *   -ENODATA   in a hole that journal_salvage() has left
 *   -EBADMSG   damaged, or the headers before it in its segment are
 *   -EMSGSIZE  longer than cap: len says how long; buf is not touched
 *   other      as the system says
 * -EOWNERDEAD after fork(2), -EINVAL for more than INT_MAX records, -ENOMEM;
 * from the first call, and from the one that looks for the end, errors as from
 * journal_reader_open().  For the reader's one thread; no cancellation point.
 */
int journal_read_many(journal_reader *r, struct journal_read *read, size_t n);

/* More about the last failure of this reader; valid until the next call. */
const struct journal_error *journal_reader_error(const journal_reader *r);

/* NULL is allowed. */
void journal_reader_close(journal_reader *r);

/* ------------------------------------------------------------------------
 * Verifying
 */

enum journal_finding {
	JOURNAL_SOUND		= 0,	/* everything reads back */
	/* Sound, with remains of writes that were never acknowledged behind
	 * the end: what a crash leaves.  The next open for writing makes an
	 * end of them. */
	JOURNAL_TAIL		= 1,
	JOURNAL_BAD_SEGMENT	= 2,	/* a segment's header or size */
	JOURNAL_BAD_BATCH	= 3,	/* a batch below the end */
	JOURNAL_LOST		= 4,	/* acknowledged, and not there */
	JOURNAL_MISSING		= 5,	/* a segment file is not there */
	JOURNAL_FOREIGN		= 6,	/* a segment of another journal */
	/* Sound, and salvaged: what was lost then is marked as holes.  No
	 * damage to this journal. */
	JOURNAL_HOLE		= 7,
};

/*
 * Something that is lost: the positions from "from" to below "to".  Records
 * whose LSN lies there are gone.
 */
struct journal_hole {
	uint64_t from;
	uint64_t to;
	uint32_t why;		/* enum journal_finding; JOURNAL_HOLE: it was
				 * one already */
	uint32_t reserved;	/* 0 */
	char file[256];		/* the file it is in, or should be in */
	char message[256];	/* why, in words */
};

/* Called from within the function that was given it; hole is valid until it
 * returns. */
typedef void journal_hole_fn(void *arg, const struct journal_hole *hole);

/* The same, now and then: bytes of about total have been seen to. */
typedef void journal_progress_fn(void *arg, uint64_t bytes, uint64_t total);

struct journal_report {
	size_t size;		/* sizeof(struct journal_report), set by you */
	uint32_t finding;	/* enum journal_finding: the worst there is */
	int32_t code;		/* 0, or what journal_open() would return */
	uint64_t segments;	/* segment files */
	uint64_t batches;	/* good ones, from the first to the end */
	uint64_t records;
	uint64_t payload;	/* bytes of records */
	uint64_t first_lsn;
	uint64_t end;		/* first byte behind the last good batch */
	uint64_t lsn;		/* where the finding is */
	uint64_t bytes;		/* how much it covers: to the next batch that
				 * is good, or to the end of the file */
	uint32_t tail_batches;	/* headers among the remains behind the end */
	uint32_t writer;	/* 1 if a writer was at work */
	char file[256];		/* the file it is in, or "" */
	char message[512];	/* what it is and what to do */
	uint64_t holes;		/* what salvage has marked as lost */
	uint64_t hole_bytes;
	/* Set by you, or NULL: called for each hole, with arg; and while it
	 * reads.  Where a writer gives back what is being read, it begins
	 * again, and so do they. */
	journal_hole_fn *on_hole;
	journal_progress_fn *on_progress;
	void *arg;
};

#define JOURNAL_REPORT_INIT { .size = sizeof(struct journal_report) }

/*
 * Read the whole journal and judge it; changes nothing.  0 if it could be
 * judged (see report->finding), negative otherwise: the errors of
 * journal_open() but for those that are findings, and -ERANGE if a writer
 * keeps giving records back before they are read.
 */
int journal_verify(const char *path, struct journal_report *report);

/* ------------------------------------------------------------------------
 * Salvaging
 */

struct journal_salvage_report {
	size_t size;		/* sizeof(struct journal_salvage_report) */
	uint64_t segments;	/* segment files of the old journal */
	/* Of those: header, length or number are wrong, or they belong to
	 * another journal.  What was whole in them is saved all the same. */
	uint64_t bad_segments;
	/* What the new journal has. */
	uint64_t batches;
	uint64_t records;
	uint64_t payload;	/* bytes of records */
	uint64_t first_lsn;	/* no record lies below it */
	uint64_t end;		/* where the old one ended; appends go on
				 * behind it */
	uint64_t holes;		/* calls of on_hole */
	uint64_t lost_bytes;	/* of positions: records, headers and padding */
	/* Batches that were found and are not known to belong there: remains
	 * of writes that were never acknowledged, as far as can be told. */
	uint64_t remains;
	/* On failure: the file concerned, or "", and what to do. */
	char file[256];
	char message[512];
	/* Set by you, or NULL: called for each hole, in order, and while it
	 * reads. */
	journal_hole_fn *on_hole;
	journal_progress_fn *on_progress;
	void *arg;
};

#define JOURNAL_SALVAGE_INIT { .size = sizeof(struct journal_salvage_report) }

/*
 * Make of a damaged journal in path, a directory or a block device, a new one
 * in new_path, which must not exist or be an empty directory: with everything
 * of the old one that is known to belong to it, each record at the LSN that it
 * had; with holes where something was lost; and with a UUID of its own.  It can
 * be read and appended to as any other; the old one is never changed.
 *
 * What is saved is every batch that is whole, in its place, and known to be
 * the journal's: by the links from the one to the next, and behind a hole,
 * which nothing links over, by what it says was durable.  So also what lies
 * behind damage that recovery stops at.  Segments that are gone from the
 * beginning raise first_lsn, and are told as a hole; doc/failure-model says
 * what cannot be known.
 *
 * 0: the new journal is durable.  It is in place as a whole or, if this is
 * interrupted, cannot be opened, but for its name and a few files: remove them
 * (or, as long as there are only *.tmp in it, run this again).
 *
 *   -EBUSY            a writer has the old journal open
 *   -ENOENT           no journal there
 *   -EEXIST           new_path is there, and not empty
 *   -ENOTDIR          new_path is no directory, or path nothing of both
 *   -EBADMSG          no segment's header is left, or a device's superblock
 *   -EXDEV            as many segments of one journal as of another
 *   -EFBIG            more than 65536 segments are missing in a row, or no
 *                     LSN is left, or no file's number is one
 *   -EPROTONOSUPPORT  written by a newer version of the library
 *   -EOPNOTSUPP       new_path would be forgotten with the power (tmpfs)
 *   -EIO              what was whole at the first reading is not at the
 *                     second: copy the medium first
 *   -EINVAL           report->size
 *   -ENOSPC, -EACCES, -ENOMEM, ... as the system says
 */
int journal_salvage(const char *path, const char *new_path,
		    struct journal_salvage_report *report);

/* ------------------------------------------------------------------------ */

/* What an error means here, in a few words.  Static, any thread. */
const char *journal_strerror(int err);

/* "0.1.0" */
const char *journal_version(void);

#ifdef __cplusplus
}
#endif

#endif
