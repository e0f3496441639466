/*
 * tests/lab/commit.c - commits records in a way that is asked for, and says
 * which way it was.
 *
 *     commit write JOURNAL METHOD DRIVER COMMITS BYTES
 *     commit read JOURNAL
 *     commit keep JOURNAL METHOD
 *
 * write opens the journal, or makes it (on a device, whatever is there);
 * METHOD is a method's name, "best", "past" for JOURNAL_PASSTHROUGH, "measure"
 * for JOURNAL_MEASURE, or "kept": the best, of the journal that is there.
 * DRIVER may be "-".  It prints "open" and what journal_info() says, a line for
 * each commit once it is durable, then what it says at the end.  A commit is one
 * record of BYTES, which begins with its number.
 *
 * read prints how many records there are, that they are the first so many, and
 * how many batches are marked untorn.
 *
 * keep keeps METHOD with the journal as though it had been measured to be best.
 *
 * Exit status: 0, 1 if opening is refused or something is not as it should be
 * (the reason on standard error), 2 usage.
 */
#include "config.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "journal/core.h"
#include "journal/format.h"
#include "probe/probe.h"

#define SEGMENT_SIZE	(256u * 1024)

static void show(const char *when, journal *j)
{
	struct journal_info info = JOURNAL_INFO_INIT;
	struct journal_stats stats = JOURNAL_STATS_INIT;

	if (journal_info(j, &info) < 0 || journal_stats(j, &stats) < 0)
		exit(1);
	printf("%s method=%s carrier=%s driver=%s barrier=%s untorn_max=%u "
	       "flushes=%" PRIu64 " replacements=%" PRIu64 "\n", when,
	       info.method, info.carrier, info.driver,
	       strcmp(info.barrier, "NVMe Flush") ? info.barrier : "Flush",
	       info.untorn_max, stats.flushes, stats.replacements);
	for (const char *p = info.trail; *p;) {
		size_t n = strcspn(p, "\n");

		printf("  %.*s\n", (int)n, p);
		p += n + (p[n] == '\n');
	}
}

/* How many records there are; ends the program if they are not the first. */
static uint32_t count_records(const char *path)
{
	struct journal_error error = { 0 };
	struct journal_record record;
	journal_reader *r;
	uint32_t n = 0, number;
	int ret;

	ret = journal_reader_open(&r, path, 0, &error);
	if (ret < 0) {
		fprintf(stderr, "%s\n", error.message);
		exit(1);
	}
	while ((ret = journal_reader_next(r, &record)) == 1) {
		memcpy(&number, record.data, sizeof(number));
		if (number != n) {
			fprintf(stderr, "record %u is number %u\n", n, number);
			exit(1);
		}
		n++;
	}
	journal_reader_close(r);
	if (ret < 0)
		exit(1);
	return n;
}

static int write_records(char **arg)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct journal_error error = { 0 };
	uint32_t commits = (uint32_t)strtoul(arg[4], NULL, 10);
	size_t bytes = strtoul(arg[5], NULL, 10);
	uint8_t *record = calloc(1, bytes + 4);
	struct iovec iov = { record, bytes };
	bool kept = !strcmp(arg[2], "kept");
	uint32_t first = 0;
	journal *j;
	int ret;

	if (!record || bytes < 4)
		return 2;
	if (kept)
		first = count_records(arg[1]);
	o.flags = kept ? 0 : JOURNAL_CREATE;
	if (!strcmp(arg[2], "past"))
		o.flags |= JOURNAL_PASSTHROUGH;
	else if (!strcmp(arg[2], "measure"))
		o.flags |= JOURNAL_MEASURE;
	else if (!kept && strcmp(arg[2], "best"))
		o.method = arg[2];
	/* A device of the lab's is nobody's. */
	if (!kept && !strncmp(arg[1], "/dev/", 5))
		o.flags |= JOURNAL_OVERWRITE;
	o.driver = strcmp(arg[3], "-") ? arg[3] : NULL;
	o.segment_size = SEGMENT_SIZE;
	o.record_max = 64 * 1024;
	o.error = &error;
	ret = journal_open(&j, arg[1], &o);
	if (ret < 0) {
		fprintf(stderr, "refused: %s\n", error.message);
		return 1;
	}
	show("open", j);
	fflush(stdout);
	for (uint32_t i = first; i < first + commits; i++) {
		memcpy(record, &i, sizeof(i));
		ret = journal_commit(j, &iov, 1, NULL);
		if (ret < 0) {
			fprintf(stderr, "commit %u: %s\n", i,
				journal_strerror(ret));
			show("failed", j);
			return 1;
		}
		printf("%u\n", i);
		fflush(stdout);
	}
	show("end", j);
	ret = journal_close(j);
	free(record);
	return ret < 0;
}

/* How many batches of the journal say that they cannot tear. */
static unsigned int count_untorn(const char *path)
{
	struct jnl_attached at;
	struct jnl_batch_header h;
	unsigned int n = 0;
	uint8_t *block = jnl_buffer_alloc(65536);

	if (!block || jnl_attach(jnl_sys_linux(), path, &at, NULL) < 0)
		exit(1);
	for (size_t i = 0; i < at.names.count; i++) {
		char name[JNL_SEGMENT_NAME_LEN];
		uint32_t size = at.rec.geometry.block_size;
		int fd;

		jnl_segment_name(name, at.names.number[i]);
		fd = at.sys->openat(at.sys, at.dirfd, name, O_RDONLY, 0);
		for (uint64_t offset = size; fd >= 0 &&
		     offset < at.rec.geometry.segment_size; offset += size) {
			if (at.sys->pread(at.sys, fd, block, size, offset, 0) ==
				(ssize_t)size &&
			    jnl_batch_decode(block, at.rec.seed, &h))
				n += !!(h.flags & JNL_BATCH_UNTORN);
		}
		if (fd >= 0)
			(void)at.sys->close(at.sys, fd);
	}
	jnl_detach(&at);
	jnl_buffer_free(block, 65536);
	return n;
}

static int read_records(const char *path)
{
	uint32_t n = count_records(path);

	printf("records=%u untorn=%u\n", n, count_untorn(path));
	return 0;
}

static int keep_choice(const char *path, const char *method)
{
	const struct jnl_measured best = {
		.method = method, .driver = "caller", .carrier = "pwritev2",
		.alone_ns = 1000, .many_ns = 1500,
	};
	char *text = NULL;
	bool final;
	journal *j;
	int ret;

	ret = journal_open(&j, path, NULL);
	if (ret < 0)
		return 1;
	text = jnl_choice_format(j->probe, &best, true);
	ret = text ? jnl_choice_write(&j->dir, text, &final) : -1;
	free(text);
	return journal_close(j) < 0 || ret < 0;
}

int main(int argc, char **argv)
{
	if (argc == 7 && !strcmp(argv[1], "write"))
		return write_records(argv + 1);
	if (argc == 3 && !strcmp(argv[1], "read"))
		return read_records(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "keep"))
		return keep_choice(argv[2], argv[3]);
	fputs("usage: commit write JOURNAL METHOD DRIVER COMMITS BYTES\n"
	      "       commit read JOURNAL\n"
	      "       commit keep JOURNAL METHOD\n", stderr);
	return 2;
}
