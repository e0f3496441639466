/*
 * journal/tool-output.c - standard output, as bytes, JSON and base64.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "journal/tool.h"

/* Large enough that the calls do not count, small enough for the cache. */
#define OUT_SIZE	(256 * 1024)
/* How long output waits to be taken when a signal has come. */
#define STOP_MS		500

int jnl_out_init(struct jnl_out *out)
{
	memset(out, 0, sizeof(*out));
	out->buf = malloc(OUT_SIZE);
	return out->buf ? 0 : -ENOMEM;
}

void jnl_out_fini(struct jnl_out *out)
{
	free(out->buf);
	out->buf = NULL;
}

/* A signal is to end us: whether somebody still takes the output. */
static bool is_taken(void)
{
	struct pollfd p = { STDOUT_FILENO, POLLOUT, 0 };

	return poll(&p, 1, STOP_MS) > 0;
}

static void write_all(struct jnl_out *out, const uint8_t *data, size_t len)
{
	while (len && !out->error) {
		bool stop = out->stop && *out->stop;
		ssize_t n;

		if (stop && !is_taken()) {
			out->error = -EINTR;
			break;
		}
		/* So much does not block when poll(2) says so (pipe(7)). */
		n = write(STDOUT_FILENO, data,
			  stop && len > PIPE_BUF ? PIPE_BUF : len);
		if (n >= 0) {
			data += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			struct pollfd p = { STDOUT_FILENO, POLLOUT, 0 };

			(void)poll(&p, 1, -1);
		} else if (errno != EINTR) {
			out->error = -errno;
		}
	}
}

int jnl_out_flush(struct jnl_out *out)
{
	write_all(out, out->buf, out->used);
	out->used = 0;
	return out->error;
}

void jnl_out_put(struct jnl_out *out, const void *data, size_t len)
{
	if (len > OUT_SIZE - out->used)
		jnl_out_flush(out);
	if (len >= OUT_SIZE) {
		write_all(out, data, len);
		return;
	}
	memcpy(out->buf + out->used, data, len);
	out->used += len;
}

void jnl_out_text(struct jnl_out *out, const char *text)
{
	jnl_out_put(out, text, strlen(text));
}

void jnl_out_plain(struct jnl_out *out, const char *text)
{
	for (; *text; text++)
		jnl_out_put(out, *text < ' ' || *text > '~' ? "?" : text, 1);
}

void jnl_out_u64(struct jnl_out *out, uint64_t value)
{
	char digits[20];
	size_t i = sizeof(digits);

	do {
		digits[--i] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	jnl_out_put(out, digits + i, sizeof(digits) - i);
}

void jnl_out_format(struct jnl_out *out, const char *format, ...)
{
	char *text = NULL;
	va_list args;
	int len;

	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	if (len < 0) {
		if (!out->error)
			out->error = -ENOMEM;
		return;
	}
	jnl_out_put(out, text, (size_t)len);
	free(text);
}

int jnl_out_finish(struct jnl_out *out, int code)
{
	jnl_out_flush(out);
	/* Some file systems keep their errors until the close. */
	if (close(STDOUT_FILENO) < 0 && !out->error)
		out->error = -errno;
	jnl_out_fini(out);
	if (!out->error)
		return code;
	if (out->error != -EPIPE && out->error != -EINTR)
		jnl_complain("standard output",
			     "%s: what was printed is not complete",
			     strerror(-out->error));
	return JNL_EXIT_ERROR;
}

/*
 * The length of the UTF-8 sequence at p, 0 if it is none: too long for its
 * value, a surrogate, beyond U+10FFFF or cut off.
 */
static size_t utf8_sequence(const uint8_t *p, size_t len)
{
	uint8_t low = 0x80, high = 0xbf;
	size_t n;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		n = 2;
	} else if (p[0] >= 0xe0 && p[0] <= 0xef) {
		n = 3;
		if (p[0] == 0xe0)
			low = 0xa0;
		if (p[0] == 0xed)
			high = 0x9f;
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		n = 4;
		if (p[0] == 0xf0)
			low = 0x90;
		if (p[0] == 0xf4)
			high = 0x8f;
	} else {
		return 0;
	}
	if (len < n || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

bool jnl_utf8_valid(const uint8_t *data, size_t len)
{
	size_t i = 0;

	while (i < len) {
		uint64_t word;
		size_t n;

		/* Most text is ASCII: eight bytes at a time. */
		if (len - i >= sizeof(word)) {
			memcpy(&word, data + i, sizeof(word));
			if (!(word & 0x8080808080808080u)) {
				i += sizeof(word);
				continue;
			}
		}
		n = utf8_sequence(data + i, len - i);
		if (!n)
			return false;
		i += n;
	}
	return true;
}

/* ASCII that stands for itself. */
static bool json_plain(uint8_t c)
{
	return c >= ' ' && c < 0x80 && c != '"' && c != '\\';
}

static void json_escape(struct jnl_out *out, uint8_t c)
{
	switch (c) {
	case '"':
		jnl_out_text(out, "\\\"");
		break;
	case '\\':
		jnl_out_text(out, "\\\\");
		break;
	case '\n':
		jnl_out_text(out, "\\n");
		break;
	case '\t':
		jnl_out_text(out, "\\t");
		break;
	default:
		jnl_out_format(out, "\\u%04x", c);
	}
}

void jnl_out_json_string(struct jnl_out *out, const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t plain = 0;	/* bytes before p[i] that go out as they are */
	size_t i = 0;

	jnl_out_text(out, "\"");
	while (i < len) {
		size_t n;

		if (json_plain(p[i])) {
			i++;
			continue;
		}
		n = utf8_sequence(p + i, len - i);
		if (n > 1) {
			i += n;
			continue;
		}
		jnl_out_put(out, p + plain, i - plain);
		if (n)
			json_escape(out, p[i]);
		else
			jnl_out_text(out, "\\ufffd");
		plain = ++i;
	}
	jnl_out_put(out, p + plain, i - plain);
	jnl_out_text(out, "\"");
}

void jnl_out_base64(struct jnl_out *out, const uint8_t *data, size_t len)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "abcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		uint32_t v = (uint32_t)data[i] << 16 |
			     (n > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
			     (n > 2 ? data[i + 2] : 0);
		char quad[4] = {
			set[v >> 18], set[v >> 12 & 63],
			n > 1 ? set[v >> 6 & 63] : '=',
			n > 2 ? set[v & 63] : '=',
		};

		jnl_out_put(out, quad, sizeof(quad));
	}
}
