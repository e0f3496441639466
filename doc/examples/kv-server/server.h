/*
 * server.h - the loop: connections, the journal, the snapshot.
 *
 * What is answered when.  A reply leaves only when every change that it tells
 * of is durable: a write's own record, and for a read the newest record that
 * may have changed what was read.  So nobody sees a value that a power cut
 * could take back, and a client that reads what another one is just writing
 * waits for the same commit.  Changes are made in memory at once, in the
 * order of their records; a crash keeps a prefix of them.
 */
#ifndef KV_SERVER_H
#define KV_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "client.h"
#include "resp.h"
#include "snapshot.h"
#include "store.h"
#include "table.h"

/* Keys share so many marks of when they were last changed: too few make reads
 * wait for a neighbour's write. */
#define SERVER_MARKS	65536

struct server_options {
	struct store_options store;
	const char *bind;	/* address of the TCP socket */
	const char *port;	/* NULL: none */
	const char *unix_path;	/* NULL: none */
	unsigned int clients_max;
	uint64_t snapshot_bytes;	/* of journal between two */
	bool verbose;
};

struct server {
	const struct server_options *options;
	struct table table;
	struct store store;
	struct snapshot snapshot;
	int epoll_fd;
	struct source listeners[2], signals, journal, snapshots;
	bool deaf;		/* listeners are not polled: no descriptors */
	bool full;		/* the journal takes nothing now */
	bool stopping;
	bool journal_calls;	/* its descriptor is readable, in this pass */
	bool unix_bound;	/* the socket's name is ours */
	uint64_t submitted;	/* store.appended, when it was handed over */
	uint64_t turn;		/* passes of the loop */
	uint64_t marks[SERVER_MARKS];
	uint64_t cleared;	/* the newest record that removed every key */
	uint64_t snapshot_from;	/* where the last snapshot was begun */
	unsigned int clients;
	struct client_list all, ready, waiting, dead;
	struct resp_request request;	/* the one at hand */

	uint64_t started_s, commands, accepted, refused, snapshots_failed;
	uint64_t stalls;	/* how often the journal was full */
	uint64_t pass_max_ns;	/* the longest pass, waiting left out */
};

/* 0 or -errno, with a line in message. */
int server_open(struct server *s, const struct server_options *options,
		char *message, size_t message_size);

/* Open the sockets (listen.c); part of server_open(). */
int server_listen(struct server *s, char *message, size_t message_size);

/* Serve until SIGTERM or SIGINT.  0, or what ended it, and a message. */
int server_run(struct server *s, char *message, size_t message_size);

/* Frees everything.  The error that kept records from being durable. */
int server_close(struct server *s);

/*
 * Carry out s->request and reply to it.  0; -EAGAIN: nothing was done since
 * the journal is full, ask again; another error: the journal has failed.
 */
int command_run(struct server *s, struct client *c);

#endif
