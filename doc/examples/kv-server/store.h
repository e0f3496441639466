/*
 * store.h - the table's history in the journal, and its state in a snapshot.
 *
 *     DIR/journal/        what was changed, record by record
 *     DIR/snapshot        the table as it was below one LSN
 *     DIR/snapshot.tmp    the next one, while it is written
 *
 * Records.  Numbers are little endian; each change leaves the table in the
 * same state however often it is applied in order, which is what lets a
 * snapshot hold a little less than everything (snapshot.h).
 *
 *     set     u8 1, 3 zero bytes, u32 key length, key, value
 *     delete  u8 2, 3 zero bytes, u32 keys, for each: u32 length, key
 *     clear   u8 3, 3 zero bytes
 *     start   u8 4, 3 zero bytes           the server was started
 */
#ifndef KV_STORE_H
#define KV_STORE_H

#include <stddef.h>
#include <stdint.h>

#include <journal.h>

#include "resp.h"
#include "table.h"

struct store_options {
	const char *dir;
	const char *method, *carrier;	/* NULL: the library's choice */
	uint64_t segment_size;		/* 0: the library's choice */
	uint32_t record_max;
};

struct store {
	int dir_fd;
	journal *j;
	struct table *table;
	uint8_t uuid[16];	/* of the journal */
	uint32_t record_max;
	uint64_t appended;	/* LSN of the newest record */
	uint64_t frontier;	/* first byte that is not durable */
	uint64_t replayed;	/* records at the start */
	uint64_t loaded;	/* entries from the snapshot */
	uint64_t snapshot_lsn;	/* records below it are in the snapshot */
};

/*
 * Open DIR, make it if it is not there, and fill the table.  0, or -errno with
 * a line in message that says what and where.
 */
int store_open(struct store *st, struct table *table,
	       const struct store_options *options, char *message,
	       size_t message_size);

/* Let go of everything; the error that kept records from being durable. */
int store_close(struct store *st);

/*
 * Append a change; *ret_lsn is the record that has to be durable before it
 * may be answered.  -EAGAIN: later; otherwise as journal_append().
 */
int store_set(struct store *st, const struct entry *e, uint64_t *ret_lsn);
int store_delete(struct store *st, const struct resp_arg *keys, int count,
		 uint64_t *ret_lsn);
int store_clear(struct store *st, uint64_t *ret_lsn);

/* Numbers in records and snapshots. */
void store_put32(void *at, uint32_t n);
void store_put64(void *at, uint64_t n);
uint32_t store_get32(const void *at);
uint64_t store_get64(const void *at);

/* The first bytes of the record that sets e: the key and the value follow. */
#define STORE_SET_HEADER	8
void store_set_header(const struct entry *e, uint8_t header[STORE_SET_HEADER]);

/* Apply a record.  0, -EBADMSG if it is none of ours, -ENOMEM. */
int store_apply(struct table *t, const void *record, size_t len);

#endif
