/*
 * probe/public.c - probes for programs: of this machine, and of a dump.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probe/dump.h"
#include "probe/facts.h"
#include "probe/mask.h"
#include "probe/raw.h"
#include "probe/replay.h"

#define FLAGS_KNOWN	(JOURNAL_PROBE_SERIALS | JOURNAL_PROBE_RECORD)

/* No future is that far: the size was never set. */
#define OPTIONS_SANE_BYTES	4096

#define CHUNK_BYTES	65536u

static int copy_options(struct journal_probe_options *ret_o,
			const struct journal_probe_options *o)
{
	const unsigned char *bytes = (const unsigned char *)o;
	size_t i;

	memset(ret_o, 0, sizeof(*ret_o));
	if (!o)
		return 0;
	if (o->size < sizeof(*ret_o))
		return -EINVAL;
	if (o->size > OPTIONS_SANE_BYTES)
		return -E2BIG;
	for (i = sizeof(*ret_o); i < o->size; i++)
		if (bytes[i])
			return -E2BIG;
	*ret_o = *o;
	return o->flags & ~FLAGS_KNOWN ? -E2BIG : 0;
}

int journal_probe_open(journal_probe **ret_p, const char *path,
		       const struct journal_probe_options *options)
{
	struct jnl_sys *sys = jnl_sys_linux();
	struct journal_probe_options o;
	struct jnl_raw_probe raw;
	int fd, ret;

	if (!ret_p || !path)
		return -EINVAL;
	ret = copy_options(&o, options);
	if (ret < 0)
		return ret;
	fd = sys->openat(sys, AT_FDCWD, path,
			 O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd == -ENOTDIR) {
		fd = jnl_raw_probe_open(&raw, path);
		sys = &raw.sys;
	}
	if (fd < 0)
		return fd;
	ret = jnl_probe_linux(ret_p, sys, fd, path, "", o.flags);
	/* Nothing was written through it. */
	sys->close(sys, fd);
	return ret;
}

/* The dump as a text that the caller frees. */
static int dump_text(const char *path, const struct jnl_answers *a,
		     char **ret_text, size_t *ret_len)
{
	char *text = NULL;
	int ret = -ENOMEM;
	size_t len = 0;
	FILE *out;
	bool bad;

	out = open_memstream(&text, &len);
	if (!out)
		return -ENOMEM;
	jnl_dump_write(out, path, a);
	bad = ferror(out);
	if (fclose(out) == 0 && !bad)
		ret = len > JNL_DUMP_MAX_BYTES ? -EFBIG : 0;
	if (ret < 0) {
		free(text);
		return ret;
	}
	*ret_text = text;
	*ret_len = len;
	return 0;
}

static int masked_text(const journal_probe *p, char **ret_text,
		       size_t *ret_len)
{
	char *path = strdup(p->path);
	struct jnl_answers masked;
	int ret = -ENOMEM;

	jnl_answers_init(&masked);
	if (path)
		ret = jnl_mask_answers(&p->answers, path, &masked);
	if (ret == 0)
		ret = dump_text(path, &masked, ret_text, ret_len);
	jnl_answers_free(&masked);
	free(path);
	return ret;
}

static int write_all(int fd, const char *text, size_t len)
{
	ssize_t n;

	while (len) {
		n = write(fd, text, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

int journal_probe_dump(const journal_probe *p, int fd)
{
	size_t len;
	char *text;
	int ret;

	if (!p || !(p->flags & JOURNAL_PROBE_RECORD))
		return -EINVAL;
	if (p->answers_error)
		return p->answers_error;
	if (p->flags & JOURNAL_PROBE_SERIALS)
		ret = dump_text(p->path, &p->answers, &text, &len);
	else
		ret = masked_text(p, &text, &len);
	if (ret < 0)
		return ret;
	ret = write_all(fd, text, len);
	free(text);
	return ret;
}

/* All that fd gives, up to the limit of a dump and a byte. */
static int read_all(int fd, char **ret_text, size_t *ret_len)
{
	size_t len = 0, room = 0;
	char *text = NULL, *more;
	ssize_t n;
	int ret;

	do {
		if (room - len < CHUNK_BYTES) {
			room = room ? 2 * room : 2 * CHUNK_BYTES;
			more = realloc(text, room);
			if (!more) {
				free(text);
				return -ENOMEM;
			}
			text = more;
		}
		n = read(fd, text + len, CHUNK_BYTES);
		if (n < 0 && errno != EINTR) {
			ret = -errno;
			free(text);
			return ret;
		}
		len += n > 0 ? (size_t)n : 0;
	} while (n && len <= JNL_DUMP_MAX_BYTES);
	*ret_text = text;
	*ret_len = len;
	return 0;
}

static int replay(journal_probe **ret_p, const char *text, size_t len,
		  uint64_t flags, uint64_t *ret_line)
{
	struct jnl_answers answers;
	struct jnl_replay r;
	char *path;
	int ret;

	jnl_answers_init(&answers);
	ret = jnl_dump_read(text, len, &answers, &path, ret_line);
	if (ret == 0) {
		jnl_replay_init(&r, &answers);
		ret = jnl_probe_machine(ret_p, &r.machine, path, flags);
		free(path);
	}
	jnl_answers_free(&answers);
	return ret;
}

int journal_probe_replay(journal_probe **ret_p, int fd,
			 const struct journal_probe_options *options,
			 uint64_t *ret_line)
{
	struct journal_probe_options o;
	uint64_t line = 0;
	char *text = NULL;
	size_t len = 0;
	int ret;

	if (!ret_p)
		return -EINVAL;
	ret = copy_options(&o, options);
	if (ret == 0)
		ret = read_all(fd, &text, &len);
	if (ret == 0) {
		ret = replay(ret_p, text, len, o.flags, &line);
		free(text);
	}
	if (ret < 0 && ret_line)
		*ret_line = line;
	return ret;
}

const char *journal_probe_path(const journal_probe *p)
{
	return p ? p->path : NULL;
}
