/*
 * journal/view.h - reading segments, one window at a time.
 *
 * A view has one segment file open and a part of it in memory.  Positions are
 * LSNs; a read never crosses a segment's end.
 */
#ifndef JNL_JOURNAL_VIEW_H
#define JNL_JOURNAL_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/format.h"
#include "lib/sys.h"

struct jnl_view {
	struct jnl_sys *sys;
	int dirfd;
	/* O_DIRECT; where that is refused, what is cached of a file is
	 * dropped before it is read. */
	bool past_cache;
	/* The size of a segment, once it is known; the window's unit. */
	uint64_t segment_size;
	uint32_t block_size;
	/* What is read beyond what was asked for: so many bytes at a time are
	 * tried for (0: as many as are of use), and nothing at or above an LSN
	 * that is still written to. */
	size_t ahead;
	uint64_t limit;

	int fd;			/* -1: none */
	bool direct;		/* it is O_DIRECT */
	uint64_t number;	/* of the open segment */
	uint8_t *window;
	size_t window_len;	/* allocated */
	uint64_t from;		/* offset of window[0] in the segment */
	size_t have;		/* valid bytes */
	uint64_t in_order;	/* bytes read one after the other */
	uint64_t fetched;	/* offset below which all was asked for */
};

void jnl_view_init(struct jnl_view *v, struct jnl_sys *sys, int dirfd,
		   bool past_cache);
void jnl_view_fini(struct jnl_view *v);

/* Drop the open file and what was read of it, so that it is read anew. */
void jnl_view_forget(struct jnl_view *v);

/*
 * Read and decode the header block of segment number.  0, or
 *   -ENOENT           no such file
 *   -EBADMSG          not a regular file, size or header bad
 *   -EPROTONOSUPPORT  as jnl_segment_decode()
 *   other             as the system says
 */
int jnl_view_header(struct jnl_view *v, uint64_t number,
		    struct jnl_segment_header *ret_h);

/* fsync the file of segment number, so that what is read of it will stay. */
int jnl_view_sync(struct jnl_view *v, uint64_t number);

/*
 * len bytes at lsn (block aligned, within one segment): *ret_p is valid until
 * the next call.  -EBADMSG: the file is shorter.
 */
int jnl_view_at(struct jnl_view *v, uint64_t lsn, uint64_t len,
		const uint8_t **ret_p);

#endif
