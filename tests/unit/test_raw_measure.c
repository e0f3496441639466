/*
 * Measuring on a block device: in slots that hold nothing and nowhere else,
 * with the device held for as long as a write may be under way; its result in
 * a place of its own, whole or not at all.
 */
#include "config.h"

#include <liburing.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>

#include "journal/raw-impl.h"
#include "probe/facts.h"
#include "tests/unit/raw.h"

#define MEASURE_NS	60000000u
#define BARELY_NS	5000000u
#define SLOTS		160	/* 10 MiB: room for two files of 4 MiB */
#define MIB		(1024u * 1024)

static uint64_t measure_ns;

static int open_with(journal **j, uint64_t flags)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct jnl_env env = { .sys = &fault.sys, .measure_ns = measure_ns };

	memset(&error, 0, sizeof(error));
	o.flags = flags;
	o.segment_size = SMALL;
	o.error = &error;
	return jnl_open(j, path, &o, &env);
}

static journal *open_good(uint64_t flags)
{
	journal *j;

	ck_assert_msg(!open_with(&j, flags), "%s", error.message);
	return j;
}

static void says(journal *j, const char *what)
{
	struct journal_info info = JOURNAL_INFO_INIT;

	ck_assert_int_eq(journal_info(j, &info), 0);
	ck_assert_msg(strstr(info.measured, what), "'%s' is not in '%s'", what,
		      info.measured);
}

static void says_nothing(journal *j)
{
	struct journal_info info = JOURNAL_INFO_INIT;

	ck_assert_int_eq(journal_info(j, &info), 0);
	ck_assert_str_eq(info.measured, "");
}

/* A lock that was not given up goes with the last ring that has it. */
static int open_patiently(journal **j, uint64_t flags)
{
	static const struct timespec pause = { .tv_nsec = 10000000 };
	int ret = open_with(j, flags);

	for (int i = 0; i < 6000 && ret == -EBUSY; i++) {
		(void)nanosleep(&pause, NULL);
		ret = open_with(j, flags);
	}
	return ret;
}

static void open_says(uint64_t flags, const char *what)
{
	journal *j = open_good(flags);

	says(j, what);
	ck_assert_int_eq(journal_close(j), 0);
}

/* The journal's own threads do the rest. */
static int commit(journal *j)
{
	char text[9100];
	struct iovec iov = { text, 0 };
	int ret;

	payload(text, sizeof(text), appended);
	iov.iov_len = strlen(text);
	ret = journal_commit(j, &iov, 1, &lsn_of[appended]);
	appended += !ret;
	return ret;
}

/* A journal of a few segments, and nothing measured. */
static void make_journal(uint64_t slots)
{
	journal *j;

	make(slots);
	j = open_journal();
	put(j, 30);
	ck_assert_int_eq(journal_close(j), 0);
}

static void sound(void)
{
	struct journal_report rep;

	ck_assert_int_eq(verify(&rep), 0);
	ck_assert_msg(rep.finding == JOURNAL_SOUND ||
		      rep.finding == JOURNAL_TAIL, "%s", rep.message);
	check_from(0);
}

/* ------------------------------------------------------------------------ */

START_TEST(a_choice_is_measured_kept_and_used)
{
	uint64_t entry[SLOTS];
	journal *j;

	make(SLOTS);
	j = open_good(JOURNAL_CREATE | JOURNAL_MEASURE);
	says(j, ": used");
	ck_assert_int_eq(commit(j), 0);
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_uint_eq(table(entry).slots, SLOTS);
	open_says(0, ": used");
	open_says(JOURNAL_READ_ONLY, "used at open if nothing has changed");
	/* And of a journal that is there. */
	make_journal(SLOTS);
	j = open_good(0);
	says_nothing(j);
	ck_assert_int_eq(journal_close(j), 0);
	open_says(JOURNAL_MEASURE, ": used");
	open_says(0, ": used");
	sound();
	/* Another journal in its place was not measured. */
	j = open_good(JOURNAL_CREATE | JOURNAL_OVERWRITE);
	says_nothing(j);
	ck_assert_int_eq(journal_close(j), 0);
	j = open_good(0);
	ck_assert_int_eq(commit(j), 0);
	says_nothing(j);
	ck_assert_int_eq(journal_close(j), 0);
}
END_TEST

/* Whether an open may write there: no data, and nothing of the table. */
static bool may_differ(uint64_t at, const uint64_t *entry, uint64_t newest)
{
	uint64_t word;

	if (at < AREA)
		return at >= JNL_RAW_SCRATCH ||
		       (at >= JNL_RAW_NOTE && at < JNL_RAW_COPY_STRIDE);
	word = entry[(at - AREA) / SMALL];
	return word == JNL_RAW_FREE || word == newest;
}

START_TEST(nothing_is_written_outside_of_free_slots)
{
	static uint64_t entry[SLOTS], after[SLOTS];
	uint64_t newest = 0, noise = 0;
	uint8_t *p, *q;
	size_t len;
	journal *j;

	make_journal(SLOTS);
	/* The one of the open batch is followed by a spare. */
	table(entry);
	for (int i = 0; i < SLOTS; i++)
		if (entry[i] > newest)
			newest = entry[i];
	j = open_journal();
	newest = jnl_raw_entry(j->recovered.end / SMALL);
	ck_assert_int_eq(journal_close(j), 0);
	table(entry);
	p = content(&len);
	j = open_good(JOURNAL_MEASURE);
	says(j, ": used");
	ck_assert_int_eq(journal_close(j), 0);
	table(after);
	q = content(&len);
	ck_assert_mem_eq(entry, after, sizeof(entry));
	for (size_t at = 0; at < len; at += 512) {
		if (!memcmp(p + at, q + at, 512))
			continue;
		ck_assert_msg(may_differ(at, entry, newest), "at %zu", at);
		noise += at >= AREA && !entry[(at - AREA) / SMALL];
	}
	/* It did measure there. */
	ck_assert_uint_gt(noise, 100);
	free(p);
	free(q);
	sound();
}
END_TEST

START_TEST(what_a_crash_leaves_in_free_slots_is_never_read)
{
	static uint64_t entry[SLOTS];
	size_t len;
	uint8_t *p;
	journal *j;

	make_journal(SLOTS);
	table(entry);
	p = content(&len);
	/* Worse than noise: what was a segment, in each of them. */
	for (int i = 0; i < SLOTS; i++)
		if (!entry[i])
			poke(AREA + (uint64_t)i * SMALL, p + AREA, SMALL);
	free(p);
	sound();
	j = open_journal();
	put(j, 60);
	ck_assert_int_eq(journal_close(j), 0);
	sound();
}
END_TEST

START_TEST(without_room_nothing_is_measured_and_that_is_said)
{
	size_t len;
	uint8_t *p;
	journal *j;

	/* 31 slots are less than 2 MiB. */
	make(31);
	open_says(JOURNAL_CREATE | JOURNAL_MEASURE, "no room to measure in");
	p = content(&len);
	ck_assert_uint_eq(p[JNL_RAW_CHOICE], 0);
	free(p);
	/* 40, and once there are segments in some it is not enough. */
	make(40);
	open_says(JOURNAL_CREATE | JOURNAL_MEASURE, ": used");
	j = open_journal();
	put(j, 120);
	ck_assert_int_eq(journal_close(j), 0);
	open_says(JOURNAL_MEASURE, "no room to measure in");
	/* What was measured before is still there. */
	open_says(0, ": used");
	sound();
}
END_TEST

START_TEST(measuring_takes_no_more_than_is_side_by_side)
{
	struct jnl_sys *sys;
	journal *j;

	make(35);
	j = open_journal();
	sys = j->dir.sys;
	ck_assert_uint_eq(jnl_raw_room(sys, 4 * MIB), MIB);
	jnl_raw_room_end(sys);
	ck_assert_uint_eq(jnl_raw_room(sys, 2 * MIB), MIB);
	/* It is not given to a segment meanwhile. */
	while (!try_put(j))
		;
	ck_assert_int_lt(appended, 60);
	jnl_raw_room_end(sys);
	put(j, 60);
	ck_assert_int_eq(journal_close(j), 0);
	sound();
}
END_TEST

START_TEST(a_device_that_has_grown_keeps_its_choice)
{
	static const struct {
		uint64_t size;
		int ret;
	} now[] = {
		{ 500, 0 }, { 501, 0 }, { 1000, 0 }, { 499, -ESTALE },
		{ 90, -ESTALE },
	};
	static const struct jnl_measured best = {
		.method = "direct", .driver = "caller", .carrier = "pwritev2",
	};
	char why[JNL_CHOICE_WHY], *text;
	struct jnl_kept_choice kept;
	journal *j;

	make(SLOTS);
	open_says(JOURNAL_CREATE | JOURNAL_MEASURE, ": used");
	ck_assert_int_eq(truncate(path, AREA + 2 * SLOTS * SMALL), 0);
	j = open_good(0);
	says(j, ": used");
	/* What is no device has no size that the system tells. */
	jnl_fact_number(j->probe, JNL_DEVICE_SIZE_BYTES, JOURNAL_FACT_REPORTED,
			500, "");
	text = jnl_choice_format(j->probe, &best, false);
	for (size_t i = 0; i < sizeof(now) / sizeof(now[0]); i++) {
		jnl_fact_number(j->probe, JNL_DEVICE_SIZE_BYTES,
				JOURNAL_FACT_REPORTED, now[i].size, "");
		ck_assert_int_eq(jnl_choice_parse(text, strlen(text), j->probe,
						  &kept, why), now[i].ret);
	}
	free(text);
	ck_assert_int_eq(journal_close(j), 0);
}
END_TEST

/* Another text with a good sum. */
static void forge(char text[JNL_CHOICE_MAX], const char *key, const char *value)
{
	char rest[JNL_CHOICE_MAX], *at = strstr(text, key), *end;

	ck_assert_ptr_nonnull(at);
	at += strlen(key) + 1;
	end = strchr(at, '\n');
	ck_assert_ptr_nonnull(end);
	strcpy(rest, end);
	strcpy(stpcpy(at, value), rest);
	at = strstr(text, "\nsum ") + 1;
	sprintf(at, "sum %016llx\n", (unsigned long long)
		jnl_checksum(text, (size_t)(at - text), 0));
}

START_TEST(another_drive_or_kernel_is_another_machine)
{
	static const char *const keys[][2] = {
		{ "kernel.release", "it is for kernel another" },
		{ "drive.serial", "it is for a drive whose serial number" },
		{ "drive.firmware", "it is for drive firmware another" },
		{ "drive.model", "it is for drive another" },
	};
	char good[JNL_CHOICE_MAX], text[JNL_CHOICE_MAX];
	size_t len;
	uint8_t *p;

	make(SLOTS);
	open_says(JOURNAL_CREATE | JOURNAL_MEASURE, ": used");
	p = content(&len);
	memcpy(good, p + JNL_RAW_CHOICE, sizeof(good));
	free(p);
	for (size_t i = 0; i < 4; i++) {
		memcpy(text, good, sizeof(text));
		forge(text, keys[i][0], "another");
		poke(JNL_RAW_CHOICE, text, sizeof(text));
		open_says(0, keys[i][1]);
		open_says(0, ": measure again");
	}
	open_says(JOURNAL_MEASURE, ": used");
	open_says(0, ": used");
}
END_TEST

START_TEST(a_torn_choice_is_none)
{
	char old[JNL_CHOICE_MAX], new[JNL_CHOICE_MAX] = { 0 };
	char text[JNL_CHOICE_MAX], why[JNL_CHOICE_WHY], digits[18] = "";
	struct jnl_kept_choice kept;
	journal *j;
	uint8_t *p;
	size_t len;

	make(SLOTS);
	open_says(JOURNAL_CREATE | JOURNAL_MEASURE, ": used");
	p = content(&len);
	memcpy(old, p + JNL_RAW_CHOICE, sizeof(old));
	free(p);
	memcpy(new, old, sizeof(new));
	/* Of the same length, so that nothing but the sum can tell. */
	memset(digits, '9', 17);
	digits[strspn(strstr(old, "alone_ns ") + 9, "0123456789")] = 0;
	forge(new, "alone_ns", digits);
	ck_assert_uint_eq(strlen(new), strlen(old));
	for (size_t at = 1; at <= strlen(old); at++) {
		bool whole;

		memcpy(text, old, sizeof(text));
		memcpy(text, new, at);
		whole = !memcmp(text, old, sizeof(old)) ||
			!memcmp(text, new, sizeof(new));
		ck_assert_int_eq(jnl_choice_parse(text, strlen(text), NULL,
						  &kept, why),
				 whole ? 0 : -EBADMSG);
		if (at % 64)
			continue;
		poke(JNL_RAW_CHOICE, text, sizeof(text));
		j = open_good(0);
		ck_assert_int_eq(commit(j), 0);
		says(j, whole ? ": used" : "damaged");
		ck_assert_int_eq(journal_close(j), 0);
	}
	/* The place without an end, and with nothing. */
	memset(text, 'x', sizeof(text));
	poke(JNL_RAW_CHOICE, text, sizeof(text));
	open_says(0, "damaged");
	memset(text, 0, sizeof(text));
	poke(JNL_RAW_CHOICE, text, sizeof(text));
	j = open_good(0);
	says_nothing(j);
	ck_assert_int_eq(journal_close(j), 0);
	sound();
}
END_TEST

/* ------------------------------------------------------------------------
 * Who holds the device
 */

static unsigned long rings, held;

/* The first file of a ring is what it holds (lib/ring.h). */
static int watch_register(struct jnl_sys *sys, int fd, unsigned int opcode,
			  const void *arg, unsigned int n)
{
	struct jnl_sys *base = ((struct fault *)sys)->base;

	if (opcode == IORING_REGISTER_FILES) {
		rings++;
		held += ((const int32_t *)arg)[0] == device.claimed;
	}
	return base->ring_register(base, fd, opcode, arg, n);
}

START_TEST(every_ring_of_a_measurement_holds_the_device)
{
	journal *j;

	make_journal(SLOTS);
	fault.sys.ring_register = watch_register;
	rings = held = 0;
	j = open_good(JOURNAL_MEASURE);
	ck_assert_int_eq(journal_close(j), 0);
	if (!rings)
		printf("test_raw_measure: no ring here\n");
	ck_assert_uint_eq(held, rings);
}
END_TEST

static unsigned long unlocked;

static int watch_lock(struct jnl_sys *sys, int fd, int cmd, struct flock *fl)
{
	struct jnl_sys *base = ((struct fault *)sys)->base;

	unlocked += cmd == F_OFD_SETLK && fl->l_type == F_UNLCK;
	return base->lock(base, fd, cmd, fl);
}

START_TEST(the_room_of_a_lost_ring_is_never_used_again)
{
	bool lost = false;
	journal *j;

	make_journal(SLOTS);
	for (unsigned long at = 1; at < 60 && !lost; at++) {
		fault_set(&fault, FAULT_RING_ENTER, at, ~0ul, -EIO);
		if (open_patiently(&j, JOURNAL_MEASURE))
			continue;
		fault_clear(&fault);
		lost = j->advice.lost;
		ck_assert(lost == !!jnl_raw_of(j->dir.sys)->room.count);
		ck_assert_int_eq(commit(j), 0);
		unlocked = 0;
		fault.sys.lock = watch_lock;
		ck_assert_int_eq(journal_close(j), 0);
		/* Its lock lives as long as the ring. */
		ck_assert_uint_eq(unlocked, !lost);
		ck_assert_int_eq(open_patiently(&j, 0), 0);
		ck_assert_int_eq(journal_close(j), 0);
		sound();
	}
	if (!lost)
		printf("test_raw_measure: no ring was lost here\n");
}
END_TEST

/* ------------------------------------------------------------------------
 * Failures and crashes
 */

START_TEST(a_failed_call_is_no_failure_of_the_journal)
{
	static const enum fault_call calls[] = {
		FAULT_OPENAT, FAULT_CLOSE, FAULT_PREAD, FAULT_PWRITE,
		FAULT_FSYNC, FAULT_FDATASYNC, FAULT_FALLOCATE, FAULT_FADVISE,
		FAULT_FSTAT, FAULT_LOCK, FAULT_DEVICE_SIZE, FAULT_RING_SETUP,
		FAULT_RING_REGISTER, FAULT_RING_RESULT, FAULT_RANDOM,
	};
	unsigned long hits = 0;
	journal *j;
	int ret;

	make_journal(SLOTS);
	measure_ns = BARELY_NS;
	for (size_t c = 0; c < sizeof(calls) / sizeof(calls[0]); c++)
	for (unsigned long at = 1; at < 48; at += at < 12 ? 1 : 7)
	for (int dead = 0; dead < 2; dead++) {
		/* For good: what is done then is what a crash leaves. */
		fault_set(&fault, calls[c], at, dead ? ~0ul : 1, -EIO);
		ret = open_with(&j, JOURNAL_MEASURE);
		ck_assert_int_le(ret, 0);
		if (!ret)
			(void)journal_close(j);
		hits += fault.hit;
		/* A new process, which knows nothing of the fault. */
		fault_clear(&fault);
		device.claimed = -1;
		ret = open_patiently(&j, 0);
		ck_assert_msg(!ret, "%s at %lu: %s", fault_name(calls[c]), at,
			      error.message);
		ck_assert_int_eq(journal_close(j), 0);
	}
	ck_assert_uint_gt(hits, 100);
	sound();
}
END_TEST

START_TEST(a_device_that_fails_while_it_is_made_can_be_made)
{
	journal *j;
	int ret;

	measure_ns = BARELY_NS;
	for (unsigned long at = 1; at < 40; at++)
	for (int call = FAULT_PWRITE; call <= FAULT_FSYNC; call++) {
		make(SLOTS);
		fault_set(&fault, (enum fault_call)call, at, ~0ul, -EIO);
		ret = open_with(&j, JOURNAL_CREATE | JOURNAL_MEASURE);
		if (!ret)
			(void)journal_close(j);
		fault_clear(&fault);
		ret = open_with(&j, JOURNAL_CREATE);
		ck_assert_msg(!ret, "%lu: %s", at, error.message);
		ck_assert_int_eq(commit(j), 0);
		ck_assert_int_eq(journal_close(j), 0);
		sound();
	}
}
END_TEST

START_TEST(what_refuses_a_new_journal_comes_before_it_is_formatted)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct jnl_env env = { .sys = &fault.sys };
	size_t len;
	journal *j;
	uint8_t *p;

	make(SLOTS);
	o.flags = JOURNAL_CREATE | JOURNAL_MEASURE;
	o.segment_size = SMALL;
	o.error = &error;
	o.record_max = SMALL;
	ck_assert_int_eq(jnl_open(&j, path, &o, &env), -EINVAL);
	o.record_max = 0;
	o.method = "nvme-flush";
	ck_assert_int_eq(jnl_open(&j, path, &o, &env), -EOPNOTSUPP);
	o.method = NULL;
	o.segment_size = 16 * MIB;
	ck_assert_int_eq(jnl_open(&j, path, &o, &env), -ENOSPC);
	p = content(&len);
	/* But for what the probe tries. */
	memset(p + JNL_RAW_SCRATCH, 0, JNL_RAW_SCRATCH_LEN);
	ck_assert(jnl_is_zero(p, len));
	free(p);
}
END_TEST

START_TEST(a_writer_that_is_killed_while_it_measures_loses_nothing)
{
	journal *j;

	make_journal(SLOTS);
	for (int i = 0; i < 20; i++) {
		struct timespec ts = { .tv_nsec = (MEASURE_NS + 40000000) /
						  20 * i };
		pid_t pid = fork();

		ck_assert_int_ge(pid, 0);
		if (!pid) {
			(void)open_with(&j, JOURNAL_MEASURE);
			_exit(0);
		}
		nanosleep(&ts, NULL);
		(void)kill(pid, SIGKILL);
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
		j = open_good(0);
		ck_assert_int_eq(commit(j), 0);
		ck_assert_int_eq(journal_close(j), 0);
		sound();
	}
}
END_TEST

static void set_up(void)
{
	measure_ns = MEASURE_NS;
	setup();
}

RUN_SUITE_WITH("raw_measure", 120, set_up, teardown,
	       a_choice_is_measured_kept_and_used,
	       nothing_is_written_outside_of_free_slots,
	       what_a_crash_leaves_in_free_slots_is_never_read,
	       without_room_nothing_is_measured_and_that_is_said,
	       measuring_takes_no_more_than_is_side_by_side,
	       a_device_that_has_grown_keeps_its_choice,
	       another_drive_or_kernel_is_another_machine,
	       a_torn_choice_is_none,
	       every_ring_of_a_measurement_holds_the_device,
	       the_room_of_a_lost_ring_is_never_used_again,
	       a_failed_call_is_no_failure_of_the_journal,
	       a_device_that_fails_while_it_is_made_can_be_made,
	       what_refuses_a_new_journal_comes_before_it_is_formatted,
	       a_writer_that_is_killed_while_it_measures_loses_nothing)
