/*
 * probe/main-dump.c - journal-probe's --dump and --replay.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probe/main-dump.h"

static bool is_standard(const char *file)
{
	return !strcmp(file, "-");
}

/* What is wrong with the dump itself, or NULL: some other error. */
static const char *fault_of_dump(int err, uint64_t line)
{
	switch (-err) {
	case EPROTONOSUPPORT:
		return "not what journal-probe --dump writes, or a newer "
		       "version's: replay it with that version";
	case ENODATA:
		return "the end is missing: ask for the whole file again";
	case EINVAL:
		return line ? "this line makes no sense there; see "
			      "journal-machine(5)" : NULL;
	case EEXIST:
		return "this question was answered before: keep one of the "
		       "answers";
	case EFBIG:
		return "larger than a dump can be (64 MiB, 65536 answers)";
	default:
		return NULL;
	}
}

static void complain(const char *file, int err, uint64_t line)
{
	const char *fault = fault_of_dump(err, line);

	fprintf(stderr, "journal-probe: %s: ", file);
	if (line)
		fprintf(stderr, "line %llu: ", (unsigned long long)line);
	fprintf(stderr, "%s\n", fault ? fault : strerror(-err));
}

bool jnl_replay_file(journal_probe **ret_p, const char *file,
		     const struct journal_probe_options *options)
{
	uint64_t line = 0;
	int fd, ret;

	fd = is_standard(file) ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		complain(file, -errno, 0);
		return false;
	}
	ret = journal_probe_replay(ret_p, fd, options, &line);
	if (fd != STDIN_FILENO)
		close(fd);
	if (ret < 0)
		complain(file, ret, line);
	return ret == 0;
}

static mode_t usual_mode(void)
{
	mode_t mask = umask(0);

	umask(mask);
	return 0666 & ~mask;
}

/* Written, on the medium and closed, or the error. */
static int fill(const journal_probe *p, int fd)
{
	int ret = journal_probe_dump(p, fd);

	if (ret == 0 && fchmod(fd, usual_mode()) < 0)
		ret = -errno;
	if (ret == 0 && fsync(fd) < 0)
		ret = -errno;
	if (close(fd) < 0 && ret == 0)
		ret = -errno;
	return ret;
}

static int replace(const journal_probe *p, const char *file)
{
	char *temporary;
	int fd, ret;

	if (asprintf(&temporary, "%s.XXXXXX", file) < 0)
		return -ENOMEM;
	fd = mkostemp(temporary, O_CLOEXEC);
	ret = fd < 0 ? -errno : fill(p, fd);
	if (ret == 0 && rename(temporary, file) < 0)
		ret = -errno;
	if (fd >= 0 && ret < 0)
		unlink(temporary);
	free(temporary);
	return ret;
}

bool jnl_dump_file(const journal_probe *p, const char *file)
{
	int ret;

	ret = is_standard(file) ? journal_probe_dump(p, STDOUT_FILENO) :
				  replace(p, file);
	if (ret < 0)
		fprintf(stderr, "journal-probe: cannot write the dump to %s: "
			"%s\n", is_standard(file) ? "standard output" : file,
			ret == -EFBIG ? "the machine's answers are too long "
					"(/proc/self/mountinfo?)" :
					strerror(-ret));
	return ret == 0;
}
