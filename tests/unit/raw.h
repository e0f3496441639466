/*
 * tests/unit/raw.h - a journal on a block device, which is a file that the
 * table lies about: what the tests of raw devices share.
 */
#ifndef TESTS_UNIT_RAW_H
#define TESTS_UNIT_RAW_H

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "journal/core.h"
#include "journal/raw-format.h"
#include "journal/raw.h"
#include "tests/lib/device.h"
#include "tests/lib/fault.h"
#include "tests/lib/scratch.h"
#include "tests/lib/suite.h"

#define SMALL	65536u
#define MANY	2000
#define AREA	JNL_RAW_FIRST_SLOT

static char *dir, *path;
static struct device device;
static struct fault fault;
static struct journal_error error;
static uint64_t lsn_of[MANY];
static int appended;

static inline void make(uint64_t slots)
{
	device_init(&device, path, AREA + slots * SMALL);
	fault_init(&fault, &device.sys);
	appended = 0;
}

static inline void setup(void)
{
	dir = scratch_make(false);
	path = scratch_path(dir, "device");
	make(8);
}

static inline void teardown(void)
{
	free(path);
	scratch_remove(dir);
}

static inline int open_flags(journal **j, const struct jnl_choice *choice,
		      uint64_t flags, const char *carrier)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct jnl_env env = {
		.sys = &fault.sys, .choice = choice, .no_helper = true,
	};

	memset(&error, 0, sizeof(error));
	o.flags = flags;
	o.segment_size = SMALL;
	o.carrier = carrier;
	o.error = &error;
	return jnl_open(j, path, &o, &env);
}

static inline journal *open_journal(void)
{
	journal *j;
	int ret = open_flags(&j, &choice_dsync, JOURNAL_CREATE, NULL);

	ck_assert_msg(!ret, "%d: %s", ret, error.message);
	return j;
}

static inline int open_existing(void)
{
	journal *j;
	int ret = open_flags(&j, &choice_dsync, 0, NULL);

	if (!ret)
		ck_assert_int_eq(journal_close(j), 0);
	return ret;
}

static inline void payload(char *text, size_t size, int i)
{
	(void)snprintf(text, size, "%d %*s", i, i * 617 % 9000, "");
}

static inline int try_put(journal *j)
{
	static char text[9100];
	struct iovec iov = { text, 0 };
	int ret;

	payload(text, sizeof(text), appended);
	iov.iov_len = strlen(text);
	ret = journal_commit(j, &iov, 1, &lsn_of[appended]);
	if (!ret)
		appended++;
	while (jnl_helper_step(j, false))
		;
	return ret;
}

static inline void put(journal *j, int count)
{
	while (count--)
		ck_assert_int_eq(try_put(j), 0);
}

/* Every record from the first-th on is there, and nothing else. */
static inline void check_from(int first)
{
	struct jnl_env env = { .sys = &fault.sys };
	struct journal_record rec;
	journal_reader *r;
	char text[9100];
	int n = first, ret;

	ck_assert_int_eq(jnl_reader_open(&r, path, 0, &error, &env), 0);
	while ((ret = journal_reader_next(r, &rec)) == 1) {
		ck_assert_int_lt(n, appended);
		payload(text, sizeof(text), n);
		ck_assert_uint_eq(rec.lsn, lsn_of[n]);
		ck_assert_uint_eq(rec.len, strlen(text));
		ck_assert_mem_eq(rec.data, text, rec.len);
		n++;
	}
	ck_assert_int_eq(ret, 0);
	ck_assert_int_eq(n, appended);
	journal_reader_close(r);
}

static inline int verify(struct journal_report *rep)
{
	struct jnl_env env = { .sys = &fault.sys };

	*rep = (struct journal_report)JOURNAL_REPORT_INIT;
	return jnl_verify(path, rep, &env);
}

static inline void poke(uint64_t at, const void *data, size_t len)
{
	FILE *f = fopen(path, "r+b");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fseek(f, (long)at, SEEK_SET), 0);
	ck_assert_uint_eq(fwrite(data, 1, len, f), len);
	ck_assert_int_eq(fclose(f), 0);
}

/* The whole device; freed by the caller. */
static inline uint8_t *content(size_t *ret_len)
{
	FILE *f = fopen(path, "rb");
	uint8_t *p;

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
	*ret_len = (size_t)ftell(f);
	rewind(f);
	p = malloc(*ret_len);
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq(fread(p, 1, *ret_len, f), *ret_len);
	ck_assert_int_eq(fclose(f), 0);
	return p;
}

/* The table, as both copies have it after every change of names. */
static inline struct jnl_raw_header table(uint64_t *entry)
{
	struct jnl_raw_header h, other;
	size_t len;
	uint8_t *p = content(&len), *q = p + JNL_RAW_COPY_STRIDE;

	ck_assert_int_eq(jnl_raw_decode(p, 0, &h), 0);
	ck_assert_int_eq(jnl_raw_decode_table(p, &h, entry), 0);
	ck_assert_int_eq(jnl_raw_decode(q, 1, &other), 0);
	ck_assert_mem_eq(&h, &other, sizeof(h));
	ck_assert_mem_eq(p + 4096, q + 4096, JNL_RAW_UNIT - 4096);
	free(p);
	return h;
}

/* Write a copy, whatever it says. */
static inline void poke_copy(unsigned int i, const struct jnl_raw_header *h,
		      const uint64_t *entry)
{
	static uint8_t copy[JNL_RAW_UNIT];

	jnl_raw_encode(copy, i, h, entry);
	poke(i * JNL_RAW_COPY_STRIDE, copy, sizeof(copy));
}

static inline int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

#endif
