/*
 * probe/text.c - small text files of /proc and /sys, below a prefix.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probe/text.h"

/* sysfs gives one page at most; its attributes are a line. */
#define LINE_MAX_BYTES	4096
#define CHUNK_BYTES	4096

static int open_below(const char *sysroot, const char *path)
{
	char *full;
	int fd;

	if (asprintf(&full, "%s%s", sysroot, path) < 0)
		return -ENOMEM;
	fd = open(full, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		fd = -errno;
	free(full);
	return fd;
}

/* Makes room for one more chunk and a NUL, doubling. */
static int grow(char **text, size_t *room, size_t len)
{
	size_t want = *room ? *room * 2 : 2 * CHUNK_BYTES;
	char *more;

	if (*room - len > CHUNK_BYTES)
		return 0;
	more = realloc(*text, want);
	if (!more)
		return -ENOMEM;
	*text = more;
	*room = want;
	return 0;
}

static int read_all(int fd, size_t max, char **ret_text)
{
	size_t len = 0, room = 0;
	char *text = NULL;
	ssize_t n;
	int ret;

	for (;;) {
		ret = grow(&text, &room, len);
		if (ret < 0)
			goto fail;
		n = read(fd, text + len, CHUNK_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			ret = -errno;
			goto fail;
		}
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > max) {
			ret = -EFBIG;
			goto fail;
		}
	}
	text[len] = '\0';
	ret = len == 0 ? -ENODATA : memchr(text, '\0', len) ? -EINVAL : 0;
	if (ret < 0)
		goto fail;
	*ret_text = text;
	return 0;
fail:
	free(text);
	return ret;
}

int jnl_text_read(const char *sysroot, const char *path, size_t max,
		  char **ret_text)
{
	int fd, ret;

	fd = open_below(sysroot, path);
	if (fd < 0)
		return fd;
	ret = read_all(fd, max, ret_text);
	close(fd);
	return ret;
}

int jnl_text_line(const char *sysroot, const char *path, char **ret_line)
{
	char *text, *end;
	int ret;

	ret = jnl_text_read(sysroot, path, LINE_MAX_BYTES, &text);
	if (ret < 0)
		return ret;
	end = strchr(text, '\n');
	if (end && end[1] == '\0')
		*end = '\0';
	else if (end)
		text[0] = '\0';
	if (text[0] == '\0') {
		free(text);
		return -EINVAL;
	}
	*ret_line = text;
	return 0;
}

int jnl_text_number(const char *sysroot, const char *path, uint64_t *ret_value)
{
	char *line, *end;
	uint64_t value;
	int ret = 0;

	ret = jnl_text_line(sysroot, path, &line);
	if (ret < 0)
		return ret;
	/* strtoull alone would take blanks and signs. */
	if (line[0] < '0' || line[0] > '9') {
		free(line);
		return -EINVAL;
	}
	errno = 0;
	value = strtoull(line, &end, 10);
	if (errno)
		ret = -ERANGE;
	else if (*end)
		ret = -EINVAL;
	else
		*ret_value = value;
	free(line);
	return ret;
}

static bool octal(char c)
{
	return c >= '0' && c <= '7';
}

void jnl_text_unescape(char *s)
{
	char *to = s;
	int c;

	while (*s) {
		c = 0;
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' &&
		    octal(s[2]) && octal(s[3]))
			c = (s[1] - '0') * 64 + (s[2] - '0') * 8 + s[3] - '0';
		if (c) {
			*to++ = (char)c;
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}
