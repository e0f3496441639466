/*
 * client.h - one connection: what came in, what goes out, and what must not
 * go out yet.
 *
 * Replies stand in one buffer in the order of their requests.  A hold says
 * that what was replied up to a place may be sent only once a record of the
 * journal is durable; so it holds everything behind it, too.
 */
#ifndef KV_CLIENT_H
#define KV_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "resp.h"

#define CLIENT_HOLDS	16

/* What an event of epoll is about; the first member of all that it can be. */
struct source {
	enum source_kind {
		SOURCE_LISTENER, SOURCE_SIGNAL, SOURCE_JOURNAL, SOURCE_SNAPSHOT,
		SOURCE_CLIENT,
	} kind;
	int fd;			/* -1: none */
};

/* Places in the stream of replies count from the connection's beginning. */
struct hold {
	uint64_t end;		/* the place it holds up to */
	uint64_t lsn;		/* the record that must be durable */
	uint64_t turn;		/* in which it was made */
};

struct client {
	struct source source;
	bool can_read, can_write;	/* as epoll said last */
	bool at_end;		/* nothing more will come */
	bool ending;		/* close it once everything is sent */
	bool dead;		/* close it now */
	bool starved;		/* the next request is not all there */
	bool ready;		/* in the list of those with work to do */
	bool waiting;		/* in the list of those with holds */
	bool buried;		/* in the list of those to be closed */

	char *in;
	size_t in_from, in_to, in_room;
	size_t in_want;		/* bytes that the request at in_from takes */
	struct resp_skip skip;	/* what is left of one that is too large */
	bool skipping;

	char *out;
	size_t out_from, out_room;
	uint64_t replied;	/* the end of the replies */
	uint64_t released;	/* what may be sent */
	uint64_t sent;		/* the place of out_from */
	struct hold holds[CLIENT_HOLDS];
	unsigned int hold_first, hold_count;

	TAILQ_ENTRY(client) all, ready_list, waiting_list, dead_list;
};

TAILQ_HEAD(client_list, client);

/* Takes fd over, also on failure.  NULL: no memory. */
struct client *client_new(int fd);
void client_free(struct client *c);

/*
 * Read once.  Sets can_read, at_end and dead.  The request at hand may be
 * in_want bytes long.
 */
void client_read(struct client *c);

/* Room for len bytes more of replies; if there is no memory it is dead. */
bool client_reserve(struct client *c, size_t len);

/* Add to the replies: what was reserved, so it cannot fail. */
void client_reply(struct client *c, const void *data, size_t len);

/*
 * A reply is complete, and waits for the record at lsn (0: for none).  turn:
 * in which pass of the loop it was made.
 */
void client_hold(struct client *c, uint64_t lsn, uint64_t turn);

/* Let go of what waited for records below frontier. */
void client_release(struct client *c, uint64_t frontier);

/* Send what may be sent, as far as the socket takes it. */
void client_send(struct client *c);

/* Bytes of replies that were not sent yet. */
size_t client_unsent(const struct client *c);

#endif
