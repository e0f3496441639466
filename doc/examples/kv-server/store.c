/*
 * store.c - the table's history in the journal.
 *
 * At the start the snapshot is loaded and the journal is replayed from where
 * the snapshot ends.  It is opened for writing first: from then on nobody else
 * can change what is read.  A reader beside a writer sees what lies below the
 * newest watermark, so two records are made durable; the second one's batch
 * says that the first is, and the replay must get to the first.
 *
 * The journal must reach the snapshot (its LSN is the witness), and begin no
 * later than the snapshot ends: otherwise something was lost, and the server
 * does not start.
 */
#define _GNU_SOURCE
#include "store.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "snapshot.h"

enum record_type {
	RECORD_SET = 1, RECORD_DELETE = 2, RECORD_CLEAR = 3, RECORD_START = 4,
};

#define DELETE_HEADER	8
#define SHORT_RECORD	4

void store_put32(void *at, uint32_t n)
{
	n = htole32(n);
	memcpy(at, &n, sizeof(n));
}

void store_put64(void *at, uint64_t n)
{
	n = htole64(n);
	memcpy(at, &n, sizeof(n));
}

uint32_t store_get32(const void *at)
{
	uint32_t n;

	memcpy(&n, at, sizeof(n));
	return le32toh(n);
}

uint64_t store_get64(const void *at)
{
	uint64_t n;

	memcpy(&n, at, sizeof(n));
	return le64toh(n);
}

/* ------------------------------------------------------------------------ */

static int append(struct store *st, const struct iovec *iov, int iovcnt,
		  uint64_t *ret_lsn)
{
	int ret = journal_append(st->j, iov, iovcnt, ret_lsn);

	if (ret == 0)
		st->appended = *ret_lsn;
	return ret;
}

void store_set_header(const struct entry *e, uint8_t header[STORE_SET_HEADER])
{
	memset(header, 0, STORE_SET_HEADER);
	header[0] = RECORD_SET;
	store_put32(header + 4, e->key_len);
}

int store_set(struct store *st, const struct entry *e, uint64_t *ret_lsn)
{
	uint8_t header[STORE_SET_HEADER];
	struct iovec iov[2] = {
		{ header, sizeof(header) },
		{ (void *)e->bytes, e->key_len + (size_t)e->value_len },
	};

	store_set_header(e, header);
	return append(st, iov, 2, ret_lsn);
}

int store_delete(struct store *st, const struct resp_arg *keys, int count,
		 uint64_t *ret_lsn)
{
	size_t size = DELETE_HEADER;
	struct iovec iov;
	uint8_t *at;
	int ret;

	for (int i = 0; i < count; i++)
		size += 4 + keys[i].len;
	iov.iov_base = at = malloc(size);
	iov.iov_len = size;
	if (!at)
		return -ENOMEM;
	memset(at, 0, DELETE_HEADER);
	at[0] = RECORD_DELETE;
	store_put32(at + 4, (uint32_t)count);
	at += DELETE_HEADER;
	for (int i = 0; i < count; i++) {
		store_put32(at, (uint32_t)keys[i].len);
		memcpy(at + 4, keys[i].data, keys[i].len);
		at += 4 + keys[i].len;
	}
	ret = append(st, &iov, 1, ret_lsn);
	free(iov.iov_base);
	return ret;
}

static int append_short(struct store *st, enum record_type type,
			uint64_t *ret_lsn)
{
	uint8_t record[SHORT_RECORD] = { (uint8_t)type };
	struct iovec iov = { record, sizeof(record) };

	return append(st, &iov, 1, ret_lsn);
}

int store_clear(struct store *st, uint64_t *ret_lsn)
{
	return append_short(st, RECORD_CLEAR, ret_lsn);
}

/* ------------------------------------------------------------------------ */

static int apply_set(struct table *t, const uint8_t *record, size_t len)
{
	struct entry *e;
	const void *key = record + STORE_SET_HEADER;
	size_t key_len;

	if (len < STORE_SET_HEADER)
		return -EBADMSG;
	len -= STORE_SET_HEADER;
	key_len = store_get32(record + 4);
	if (key_len > len)
		return -EBADMSG;
	e = entry_new(table_hash(t, key, key_len), key, key_len,
		      (const char *)key + key_len, len - key_len);
	if (!e)
		return -ENOMEM;
	table_put(t, e);
	return 0;
}

static int apply_delete(struct table *t, const uint8_t *record, size_t len)
{
	size_t at = DELETE_HEADER, key_len;
	struct entry *e;
	uint32_t count;

	if (len < DELETE_HEADER)
		return -EBADMSG;
	for (count = store_get32(record + 4); count; count--) {
		if (len - at < 4)
			return -EBADMSG;
		key_len = store_get32(record + at);
		at += 4;
		if (key_len > len - at)
			return -EBADMSG;
		e = table_find(t, table_hash(t, record + at, key_len),
			       record + at, key_len);
		if (e)
			table_remove(t, e);
		at += key_len;
	}
	return at == len ? 0 : -EBADMSG;
}

int store_apply(struct table *t, const void *record, size_t len)
{
	static const uint8_t zeros[3];
	const uint8_t *bytes = record;

	if (len < SHORT_RECORD || memcmp(bytes + 1, zeros, sizeof(zeros)))
		return -EBADMSG;
	switch (bytes[0]) {
	case RECORD_SET:
		return apply_set(t, bytes, len);
	case RECORD_DELETE:
		return apply_delete(t, bytes, len);
	case RECORD_CLEAR:
		if (len != SHORT_RECORD)
			return -EBADMSG;
		table_clear(t);
		while (table_sweep(t))
			;
		return 0;
	case RECORD_START:
		return len == SHORT_RECORD ? 0 : -EBADMSG;
	}
	return -EBADMSG;
}

/* ------------------------------------------------------------------------ */

struct opening {
	struct store *st;
	const struct store_options *o;
	char path[4096];	/* of the journal */
	char *message;
	size_t message_size;
};

__attribute__((format(printf, 3, 4)))
static int say(struct opening *op, int ret, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(op->message, op->message_size, format, ap);
	va_end(ap);
	return ret;
}

/* What the library said, or else what the error means. */
static int say_error(struct opening *op, int ret,
		     const struct journal_error *error)
{
	return say(op, ret, "%s: %s", op->path, error && error->code ?
		   error->message : journal_strerror(ret));
}

static int open_dir(struct opening *op)
{
	struct store *st = op->st;
	int ret;

	ret = snprintf(op->path, sizeof(op->path), "%s/journal", op->o->dir);
	if (ret >= (int)sizeof(op->path))
		return say(op, -ENAMETOOLONG, "%s: %s", op->o->dir,
			   strerror(ENAMETOOLONG));
	if (mkdir(op->o->dir, 0750) && errno != EEXIST)
		return say(op, -errno, "%s: cannot make it: %s", op->o->dir,
			   strerror(errno));
	st->dir_fd = open(op->o->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (st->dir_fd < 0)
		return say(op, -errno, "%s: %s", op->o->dir, strerror(errno));
	return 0;
}

static int open_journal(struct opening *op)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct journal_info info = JOURNAL_INFO_INIT;
	struct journal_error error = { .code = 0 };
	struct store *st = op->st;
	int ret;

	o.flags = JOURNAL_CREATE;
	o.driver = "loop";
	o.method = op->o->method;
	o.carrier = op->o->carrier;
	o.segment_size = op->o->segment_size;
	o.record_max = op->o->record_max;
	o.error = &error;
	/* The snapshot is judged later, with the lock. */
	ret = snapshot_peek(st->dir_fd, &o.witness_lsn);
	if (ret < 0)
		return say(op, ret, "%s/snapshot: %s", op->o->dir,
			   journal_strerror(ret));
	ret = journal_open(&st->j, op->path, &o);
	if (!ret)
		ret = journal_info(st->j, &info);
	if (ret < 0)
		return say_error(op, ret, &error);
	memcpy(st->uuid, info.uuid, sizeof(st->uuid));
	st->record_max = info.record_max;
	return 0;
}

static int load(struct opening *op)
{
	struct journal_info info = JOURNAL_INFO_INIT;
	struct store *st = op->st;
	int ret;

	ret = snapshot_load(st);
	if (ret < 0)
		return say(op, ret, "%s/snapshot: %s", op->o->dir,
			   ret == -EXDEV ? "belongs to another journal" :
			   journal_strerror(ret));
	ret = journal_info(st->j, &info);
	if (ret < 0)
		return say_error(op, ret, NULL);
	if (info.first_lsn > st->snapshot_lsn)
		return say(op, -ENODATA, "%s begins at LSN %" PRIu64 ", but "
			   "the snapshot ends at %" PRIu64 ": put back the "
			   "snapshot that belongs to it", op->path,
			   info.first_lsn, st->snapshot_lsn);
	return 0;
}

/* Append a start record; here, and only here, the journal is waited for. */
static int start_record(struct store *st, uint64_t *ret_lsn)
{
	struct pollfd room = { .fd = journal_eventfd(st->j), .events = POLLIN };
	int ret = room.fd;

	while (ret >= 0) {
		ret = append_short(st, RECORD_START, ret_lsn);
		if (ret != -EAGAIN)
			return ret < 0 ? ret : journal_sync(st->j, *ret_lsn);
		ret = journal_submit(st->j);
		if (!ret && poll(&room, 1, -1) < 0 && errno != EINTR)
			ret = -errno;
		if (!ret)
			ret = journal_durable(st->j, &st->frontier);
	}
	return ret;
}

/* Apply the journal's records up to the one at mark. */
static int replay_to(struct opening *op, journal_reader *r, uint64_t mark)
{
	struct journal_record record = { .lsn = 0 };
	struct store *st = op->st;
	int ret;

	while (record.lsn < mark) {
		ret = journal_reader_next(r, &record);
		if (ret < 0)
			return say_error(op, ret, journal_reader_error(r));
		if (!ret)
			return say(op, -EBADMSG, "%s: ends before LSN %" PRIu64
				   ", which was made durable just now",
				   op->path, mark);
		ret = store_apply(st->table, record.data, record.len);
		if (ret < 0)
			return say(op, ret, "%s: the record at LSN %" PRIu64
				   ": %s", op->path, record.lsn,
				   ret == -ENOMEM ? "there is no memory" :
				   "no kv-server that I know wrote it");
		st->replayed++;
	}
	return 0;
}

static int replay(struct opening *op)
{
	struct journal_error error = { .code = 0 };
	struct store *st = op->st;
	journal_reader *r;
	uint64_t mark;
	int ret;

	ret = start_record(st, &mark);
	if (!ret)
		ret = start_record(st, &st->appended);
	if (ret < 0)
		return say_error(op, ret, NULL);
	ret = journal_reader_open(&r, op->path, st->snapshot_lsn, &error);
	if (ret < 0)
		return say_error(op, ret, &error);
	ret = replay_to(op, r, mark);
	journal_reader_close(r);
	st->frontier = st->appended + 1;
	return ret;
}

int store_open(struct store *st, struct table *table,
	       const struct store_options *options, char *message,
	       size_t message_size)
{
	struct opening op = {
		.st = st, .o = options, .message = message,
		.message_size = message_size,
	};
	int ret;

	*st = (struct store){ .dir_fd = -1, .table = table };
	ret = open_dir(&op);
	if (!ret)
		ret = open_journal(&op);
	if (!ret)
		ret = load(&op);
	if (!ret)
		ret = replay(&op);
	if (ret < 0) {
		(void)store_close(st);
		*st = (struct store){ .dir_fd = -1, .table = table };
	}
	return ret;
}

int store_close(struct store *st)
{
	int ret = journal_close(st->j);

	if (st->dir_fd >= 0)
		close(st->dir_fd);
	return ret;
}
