/*
 * client.c - one connection.
 *
 * Memory is bounded: what comes in by the largest request, which the parser
 * refuses to exceed; what goes out by OUT_MAX in server.c and one reply.  A
 * connection that fails, or for which there is no memory, is marked as dead
 * and closed by the server when nobody looks at it any more.
 */
#define _GNU_SOURCE
#include "client.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_MAX	16384	/* bytes taken from a socket at a time */
#define KEEP_MAX	65536	/* bytes of an empty buffer that are kept */

struct client *client_new(int fd)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return NULL;
	}
	c->source = (struct source){ SOURCE_CLIENT, fd };
	c->starved = true;
	return c;
}

void client_free(struct client *c)
{
	close(c->source.fd);
	free(c->in);
	free(c->out);
	free(c);
}

/* ------------------------------------------------------------------------ */

/* Room to read into: for the rest of a large request, or for some more. */
static bool make_room(struct client *c)
{
	size_t have = c->in_to - c->in_from, room = have + READ_MAX;
	char *bigger;

	if (c->in_from) {
		memmove(c->in, c->in + c->in_from, have);
		c->in_from = 0;
		c->in_to = have;
	}
	if (room < c->in_want)
		room = c->in_want;
	if (!have && c->in_room > KEEP_MAX && room <= KEEP_MAX) {
		free(c->in);
		c->in = NULL;
		c->in_room = 0;
	}
	if (room <= c->in_room)
		return true;
	bigger = realloc(c->in, room);
	if (!bigger)
		return false;
	c->in = bigger;
	c->in_room = room;
	return true;
}

void client_read(struct client *c)
{
	ssize_t n;

	if (!make_room(c)) {
		c->dead = true;
		return;
	}
	n = recv(c->source.fd, c->in + c->in_to, c->in_room - c->in_to, 0);
	if (n > 0) {
		c->in_to += (size_t)n;
	} else if (!n) {
		c->at_end = true;
		c->can_read = false;
	} else if (errno == EAGAIN) {
		c->can_read = false;
	} else if (errno != EINTR) {
		c->dead = true;
	}
}

/* ------------------------------------------------------------------------ */

size_t client_unsent(const struct client *c)
{
	return (size_t)(c->replied - c->sent);
}

bool client_reserve(struct client *c, size_t len)
{
	size_t have = client_unsent(c), need = have + len, room = c->out_room;
	char *bigger;

	if (len <= room - c->out_from - have)
		return true;
	if (c->out_from) {
		memmove(c->out, c->out + c->out_from, have);
		c->out_from = 0;
	}
	if (need <= room)
		return true;
	if (!room)
		room = 1024;
	while (room < need)
		room *= 2;
	bigger = realloc(c->out, room);
	if (!bigger) {
		c->dead = true;
		return false;
	}
	c->out = bigger;
	c->out_room = room;
	return true;
}

void client_reply(struct client *c, const void *data, size_t len)
{
	size_t end = c->out_from + client_unsent(c);

	assert(len <= c->out_room - end);
	memcpy(c->out + end, data, len);
	c->replied += len;
}

static struct hold *hold_at(struct client *c, unsigned int i)
{
	return &c->holds[(c->hold_first + i) % CLIENT_HOLDS];
}

/*
 * What was replied in one turn of the server was appended together and most
 * likely becomes durable together: one hold is enough, and so is one where
 * there is no place for another.  Waiting for a later record is never wrong.
 */
void client_hold(struct client *c, uint64_t lsn, uint64_t turn)
{
	struct hold *last = c->hold_count ? hold_at(c, c->hold_count - 1) :
					    NULL;

	if (!last && !lsn) {
		c->released = c->replied;
		return;
	}
	if (!last || (last->lsn < lsn && last->turn != turn &&
		      c->hold_count < CLIENT_HOLDS)) {
		last = hold_at(c, c->hold_count++);
		*last = (struct hold){ .turn = turn };
	}
	if (last->lsn < lsn)
		last->lsn = lsn;
	last->end = c->replied;
}

void client_release(struct client *c, uint64_t frontier)
{
	struct hold *first;

	while (c->hold_count) {
		first = hold_at(c, 0);
		if (first->lsn >= frontier)
			return;
		c->released = first->end;
		c->hold_first = (c->hold_first + 1) % CLIENT_HOLDS;
		c->hold_count--;
	}
	c->released = c->replied;
}

void client_send(struct client *c)
{
	ssize_t n;

	while (c->sent < c->released && c->can_write && !c->dead) {
		n = send(c->source.fd, c->out + c->out_from,
			 (size_t)(c->released - c->sent), MSG_NOSIGNAL);
		if (n >= 0) {
			c->sent += (size_t)n;
			c->out_from += (size_t)n;
		} else if (errno == EAGAIN) {
			c->can_write = false;
		} else if (errno != EINTR) {
			c->dead = true;
		}
	}
	if (client_unsent(c))
		return;
	c->out_from = 0;
	if (c->out_room > KEEP_MAX) {
		free(c->out);
		c->out = NULL;
		c->out_room = 0;
	}
}
