/*
 * resp.c - what clients send: RESP2, the protocol of Redis.
 *
 *     *2\r\n$3\r\nGET\r\n$1\r\nk\r\n      an array of bulk strings
 *     GET k\r\n                           the same, inline
 *
 * https://redis.io/docs/latest/develop/reference/protocol-spec/
 */
#include "resp.h"

#include <string.h>

#define HEADER_MAX	32	/* bytes of "*count\r\n" and "$length\r\n" */

bool resp_number(const char *text, size_t len, int64_t *ret_number)
{
	bool minus = len && text[0] == '-';
	size_t i = minus;
	int64_t n = 0;

	if (i == len || len > 20)
		return false;
	if (text[i] == '0' && (minus || len > 1))
		return false;
	for (; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		/* Counted downwards: there is one more below zero. */
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_sub_overflow(n, text[i] - '0', &n))
			return false;
	}
	if (!minus && n == INT64_MIN)
		return false;
	*ret_number = minus ? n : -n;
	return true;
}

/*
 * The number in a header line at data: its length with the line's end, 0 if
 * it is not all there, -1 if it is none of that kind.
 */
static int header(const char *data, size_t len, char kind, int64_t *ret_number)
{
	size_t look = len < HEADER_MAX ? len : HEADER_MAX;
	const char *end;

	if (!len)
		return 0;
	if (data[0] != kind)
		return -1;
	end = memchr(data, '\r', look);
	if (!end || (size_t)(end - data) + 1 == len)
		return len < HEADER_MAX ? 0 : -1;
	if (end[1] != '\n' ||
	    !resp_number(data + 1, (size_t)(end - data) - 1, ret_number))
		return -1;
	return (int)(end - data) + 2;
}

static enum resp_result bad(struct resp_parsed *p, const char *error)
{
	p->error = error;
	return RESP_BAD;
}

static enum resp_result more(struct resp_parsed *p, size_t want)
{
	p->want = want;
	return RESP_MORE;
}

static enum resp_result parse_array(const char *data, size_t len, size_t max,
				    struct resp_request *rq,
				    struct resp_parsed *p)
{
	int64_t count, size;
	size_t at;
	int n;

	n = header(data, len, '*', &count);
	if (n < 0 || (n && (count > RESP_ARGS_MAX || count < -1)))
		return bad(p, "invalid multibulk length");
	if (!n)
		return more(p, len + 1);
	at = (size_t)n;
	rq->count = 0;
	while (rq->count < count) {
		n = header(data + at, len - at, '$', &size);
		if (n < 0)
			return bad(p, "expected '$' and a length");
		if (!n)
			return more(p, len + 1);
		if (size < 0 || size > RESP_BULK_MAX)
			return bad(p, "invalid bulk length");
		at += (size_t)n;
		if (at > max || (size_t)size + 2 > max - at) {
			p->used = at;
			p->skip.bytes = (uint64_t)size + 2;
			p->skip.args = count - rq->count - 1;
			return RESP_LARGE;
		}
		if ((size_t)size + 2 > len - at)
			return more(p, at + (size_t)size + 2);
		rq->args[rq->count++] = (struct resp_arg){
			data + at, (size_t)size,
		};
		at += (size_t)size + 2;
		if (data[at - 2] != '\r' || data[at - 1] != '\n')
			return bad(p, "a bulk string without its end");
	}
	p->used = at;
	return RESP_REQUEST;
}

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static enum resp_result parse_line(const char *data, size_t len,
				   struct resp_request *rq,
				   struct resp_parsed *p)
{
	size_t look = len < RESP_LINE_MAX ? len : RESP_LINE_MAX, at = 0, from;
	const char *end = memchr(data, '\n', look);

	if (!end)
		return len < RESP_LINE_MAX ? more(p, len + 1) :
					     bad(p, "too big inline request");
	p->used = (size_t)(end - data) + 1;
	/* Words between quotes mean more to Redis: rather no than wrong. */
	if (memchr(data, '"', p->used) || memchr(data, '\'', p->used))
		return bad(p, "no quotes in inline requests here");
	rq->count = 0;
	for (;;) {
		while (at < p->used && blank(data[at]))
			at++;
		if (at == p->used)
			return RESP_REQUEST;
		for (from = at; !blank(data[at]);)
			at++;
		if (rq->count == RESP_ARGS_MAX)
			return bad(p, "too many words");
		rq->args[rq->count++] = (struct resp_arg){
			data + from, at - from,
		};
	}
}

enum resp_result resp_parse(const char *data, size_t len, size_t max,
			    struct resp_request *ret_request,
			    struct resp_parsed *ret_parsed)
{
	*ret_parsed = (struct resp_parsed){ 0 };
	if (!len)
		return more(ret_parsed, 1);
	if (data[0] == '*')
		return parse_array(data, len, max, ret_request, ret_parsed);
	return parse_line(data, len, ret_request, ret_parsed);
}

int64_t resp_skip(struct resp_skip *skip, const char *data, size_t len)
{
	size_t at = 0, n;
	int64_t size;
	int used;

	while (skip->bytes || skip->args) {
		n = len - at < skip->bytes ? len - at : (size_t)skip->bytes;
		at += n;
		skip->bytes -= n;
		if (skip->bytes || !skip->args)
			break;
		used = header(data + at, len - at, '$', &size);
		if (used < 0 || (used && (size < 0 || size > RESP_BULK_MAX)))
			return -1;
		if (!used)
			break;
		at += (size_t)used;
		skip->bytes = (uint64_t)size + 2;
		skip->args--;
	}
	return (int64_t)at;
}
