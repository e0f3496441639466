/*
 * tests/format/read_golden.c - what the library reads from a journal.
 *
 *     read_golden [--append] DIRECTORY...
 *
 * Prints for each what read_journal.py prints: the records, as LSN, tab,
 * payload, newline; a hole as the LSN behind it; then the verdict of
 * journal_verify().  With --append it opens the journal for writing and adds the
 * record "one more" before.  Exit status 0, 1 if a journal was not opened for
 * writing, 2 if one could not be judged.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "journal/journal.h"

static int print_records(const char *path)
{
	struct journal_record record[3];
	journal_reader *r;
	bool hole;
	int ret;

	ret = journal_reader_open(&r, path, 0, NULL);
	if (ret < 0)
		return ret;
	do {
		while ((ret = journal_reader_next_many(r, record, 3)) > 0) {
			for (int i = 0; i < ret; i++) {
				printf("%" PRIu64 "\t", record[i].lsn);
				fwrite(record[i].data, 1, record[i].len,
				       stdout);
				putchar('\n');
			}
		}
		hole = ret == -ENODATA;
		if (hole) {
			uint64_t lsn = journal_reader_error(r)->lsn;

			printf("hole before %" PRIu64 "\n", lsn);
			ret = journal_reader_seek(r, lsn);
		}
	} while (hole && !ret);
	journal_reader_close(r);
	return ret;
}

static int print_verdict(const char *path, int read_ret)
{
	static const char *const findings[] = {
		[JOURNAL_SOUND] = "sound",
		[JOURNAL_TAIL] = "tail",
		[JOURNAL_BAD_SEGMENT] = "bad-segment",
		[JOURNAL_BAD_BATCH] = "bad-batch",
		[JOURNAL_LOST] = "lost",
		[JOURNAL_MISSING] = "missing",
		[JOURNAL_FOREIGN] = "foreign",
		[JOURNAL_HOLE] = "hole",
	};
	struct journal_report report = JOURNAL_REPORT_INIT;
	const char *finding;
	int ret;

	ret = journal_verify(path, &report);
	if (ret == -EPROTONOSUPPORT && read_ret == ret) {
		printf("verdict: newer\n");
		return 0;
	}
	if (ret < 0) {
		fprintf(stderr, "read_golden: %s: %s\n", path,
			journal_strerror(ret));
		return ret;
	}
	if (report.finding > JOURNAL_HOLE) {
		fprintf(stderr, "read_golden: %s: finding %u\n", path,
			report.finding);
		return -EINVAL;
	}
	finding = findings[report.finding];
	if (report.finding > JOURNAL_TAIL && report.finding != JOURNAL_HOLE)
		printf("verdict: %s at %" PRIu64 "\n", finding, report.lsn);
	else
		printf("verdict: %s end %" PRIu64 " batches %" PRIu64
		       " records %" PRIu64 " payload %" PRIu64
		       " remains %u\n", finding, report.end, report.batches,
		       report.records, report.payload, report.tail_batches);
	/* Reading and verifying must not differ on whether it is sound. */
	if (report.code != read_ret) {
		fprintf(stderr, "read_golden: %s: reading ends with %d, "
			"verifying says %d\n", path, read_ret, report.code);
		return -EINVAL;
	}
	return 0;
}

static int append(const char *path)
{
	static char text[] = "one more";
	struct iovec iov = { text, sizeof(text) - 1 };
	struct journal_options options = JOURNAL_OPTIONS_INIT;
	journal *j;
	int ret, err;

	/* Wherever scratch files lie: this is not about the power. */
	options.flags = JOURNAL_VOLATILE;
	ret = journal_open(&j, path, &options);
	if (ret < 0)
		return ret;
	ret = journal_commit(j, &iov, 1, NULL);
	err = journal_close(j);
	return ret ? ret : err;
}

int main(int argc, char **argv)
{
	bool appends = argc > 1 && !strcmp(argv[1], "--append");
	int ret = 0, refused = 0;

	for (int i = appends ? 2 : 1; i < argc && !ret; i++) {
		if (appends && append(argv[i]) < 0)
			refused = 1;
		ret = print_verdict(argv[i], print_records(argv[i]));
	}
	if (fflush(stdout)) {
		perror("read_golden: standard output");
		ret = -EIO;
	}
	return ret ? 2 : refused;
}
