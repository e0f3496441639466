/*
 * resp.h - what clients send: RESP2, the protocol of Redis.
 *
 * A request is an array of bulk strings, or a line of words ("inline").  The
 * parser keeps no state between calls: it is given all bytes of a request that
 * are there, says how many it took, and its arguments point into them.
 */
#ifndef KV_RESP_H
#define KV_RESP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RESP_ARGS_MAX	1024
#define RESP_LINE_MAX	65536			/* bytes of an inline request */
#define RESP_BULK_MAX	(512l * 1024 * 1024)	/* bytes, as in Redis */

struct resp_arg {
	const char *data;
	size_t len;
};

struct resp_request {
	int count;
	struct resp_arg args[RESP_ARGS_MAX];
};

/* What is left of a request that is too large to be kept. */
struct resp_skip {
	int64_t args;		/* bulk strings that are still to come */
	uint64_t bytes;		/* of the one at hand */
};

enum resp_result {
	RESP_REQUEST,	/* there is one; an empty one has count 0 */
	RESP_MORE,	/* it is not all there */
	RESP_LARGE,	/* it is larger than max: skip it */
	RESP_BAD,	/* nonsense: nothing behind it can be understood */
};

struct resp_parsed {
	size_t used;		/* RESP_REQUEST, RESP_LARGE: bytes taken */
	size_t want;		/* RESP_MORE: call again with so many bytes */
	struct resp_skip skip;	/* RESP_LARGE: for resp_skip() */
	const char *error;	/* RESP_BAD: why */
};

/* One request from the len bytes at data, of at most max bytes. */
enum resp_result resp_parse(const char *data, size_t len, size_t max,
			    struct resp_request *ret_request,
			    struct resp_parsed *ret_parsed);

/*
 * Pass over what is left of a request: the number of bytes taken, or -1 for
 * nonsense.  It has been passed over when args and bytes are 0.
 */
int64_t resp_skip(struct resp_skip *skip, const char *data, size_t len);

/* A decimal number as Redis accepts them: no blanks, no +, no leading zeros. */
bool resp_number(const char *text, size_t len, int64_t *ret_number);

#endif
