/*
 * server.c - the loop.
 *
 * One thread, one epoll.  A pass of the loop: ask for events; let every client
 * that has work take one turn (one read, and the requests in it); ask the
 * journal how far it is durable, which also starts the next commit; send what
 * may be sent; hand the journal what was appended.  So whatever one pass
 * appends goes into one commit.
 *
 * Sockets are polled edge-triggered: what epoll said is remembered with the
 * client, and a client is left alone for as long as there is nothing to do
 * with it, without a system call:
 *   - while the journal takes nothing (-EAGAIN) nobody is read from, until its
 *     descriptor says that there is room;
 *   - a client that does not read its replies is not read from while more than
 *     OUT_MAX bytes wait for it.  Nobody waits for that client.
 *
 * If the journal fails the server ends: it cannot tell what is durable, and
 * must not answer.  Clients see their connections closed without an answer.
 */
#define _GNU_SOURCE
#include "server.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS		256
#define ACCEPTS		64		/* new connections in one pass */
#define OUT_MAX		(1u << 20)	/* bytes of replies that may wait */
#define DEAF_MS		100		/* until listening is tried again */
#define GOODBYE_MS	2000		/* for the last replies to leave */

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ------------------------------------------------------------------------
 * Clients come and go
 */

static int watch(struct server *s, struct source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	return epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, source->fd, &event) ?
	       -errno : 0;
}

static void listen_to(struct server *s, bool yes)
{
	struct epoll_event event = { .events = yes ? EPOLLIN : 0 };

	s->deaf = !yes;
	for (int i = 0; i < 2; i++) {
		if (s->listeners[i].fd < 0)
			continue;
		event.data.ptr = &s->listeners[i];
		(void)epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD,
				s->listeners[i].fd, &event);
	}
}

static void welcome(struct server *s, int fd)
{
	static const char full[] = "-ERR max number of clients reached\r\n";
	struct client *c;
	int one = 1;

	s->accepted++;
	if (s->clients >= s->options->clients_max) {
		(void)send(fd, full, sizeof(full) - 1,
			   MSG_NOSIGNAL | MSG_DONTWAIT);
		close(fd);
		return;
	}
	/* Not a TCP socket: then there is nothing to be set. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c = client_new(fd);
	if (!c)
		return;
	if (watch(s, &c->source, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)) {
		client_free(c);
		return;
	}
	TAILQ_INSERT_TAIL(&s->all, c, all);
	s->clients++;
}

static void welcome_all(struct server *s, int listener)
{
	int fd;

	for (int i = 0; i < ACCEPTS; i++) {
		fd = accept4(listener, NULL, NULL,
			     SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			welcome(s, fd);
			continue;
		}
		/* No descriptor or no memory: it would be readable for ever. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
		    errno == ENOBUFS)
			listen_to(s, false);
		if (errno == EAGAIN || s->deaf)
			return;
	}
}

static void bury(struct server *s, struct client *c)
{
	TAILQ_REMOVE(&s->all, c, all);
	if (c->ready)
		TAILQ_REMOVE(&s->ready, c, ready_list);
	if (c->waiting)
		TAILQ_REMOVE(&s->waiting, c, waiting_list);
	s->clients--;
	client_free(c);
}

/* At the end of a pass: until then an event may still speak of one. */
static void bury_dead(struct server *s)
{
	struct client *c;

	while ((c = TAILQ_FIRST(&s->dead))) {
		TAILQ_REMOVE(&s->dead, c, dead_list);
		bury(s, c);
	}
}

/* Whether there is something to do for a client, if the journal has room. */
static bool has_work(const struct client *c)
{
	return !c->ending && client_unsent(c) <= OUT_MAX &&
	       (!c->starved || c->can_read);
}

/* After everything that happens to a client: what becomes of it next. */
static void settle(struct server *s, struct client *c)
{
	client_send(c);
	if (c->buried)
		return;
	if (c->dead || (c->ending && !client_unsent(c))) {
		c->buried = true;
		TAILQ_INSERT_TAIL(&s->dead, c, dead_list);
		return;
	}
	if (has_work(c) && !c->ready) {
		c->ready = true;
		TAILQ_INSERT_TAIL(&s->ready, c, ready_list);
	}
	if (c->hold_count && !c->waiting) {
		c->waiting = true;
		TAILQ_INSERT_TAIL(&s->waiting, c, waiting_list);
	}
}

/* ------------------------------------------------------------------------
 * One client's turn
 */

/* What is said behind all other replies, and waits for nothing itself. */
__attribute__((format(printf, 3, 4)))
static void say(struct server *s, struct client *c, const char *format, ...)
{
	char line[160];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	if (!client_reserve(c, (size_t)n))
		return;
	client_reply(c, line, (size_t)n);
	client_hold(c, 0, s->turn);
}

/* Nothing that comes behind it can be understood. */
static void protocol_error(struct server *s, struct client *c,
			   const char *error)
{
	say(s, c, "-ERR Protocol error: %s\r\n", error);
	c->ending = true;
}

static uint32_t request_max(const struct server *s)
{
	return s->store.record_max + RESP_LINE_MAX;
}

/* Pass over a request that is too large; 0 if more of it has to come. */
static int skip(struct server *s, struct client *c)
{
	int64_t used = resp_skip(&c->skip, c->in + c->in_from,
				 c->in_to - c->in_from);

	if (used < 0) {
		protocol_error(s, c, "expected '$' and a length");
		return 0;
	}
	c->in_from += (size_t)used;
	if (c->skip.bytes || c->skip.args)
		return 0;
	c->skipping = false;
	s->refused++;
	say(s, c, "-ERR too large: a request may have %u bytes here\r\n",
	    request_max(s));
	return 1;
}

/* The next request: 1: carried out, 0: it is not all there, or -errno. */
static int next_request(struct server *s, struct client *c)
{
	struct resp_parsed p;
	int ret;

	if (c->skipping)
		return skip(s, c);
	switch (resp_parse(c->in + c->in_from, c->in_to - c->in_from,
			   request_max(s), &s->request, &p)) {
	case RESP_MORE:
		c->in_want = p.want;
		return 0;
	case RESP_BAD:
		protocol_error(s, c, p.error);
		return 0;
	case RESP_LARGE:
		c->skipping = true;
		c->skip = p.skip;
		break;
	case RESP_REQUEST:
		ret = command_run(s, c);
		if (ret < 0)
			return ret;
		s->commands++;
		break;
	}
	c->in_from += p.used;
	c->in_want = 0;
	return 1;
}

/* One read, and the requests in it.  0, or how the journal failed. */
static int take_turn(struct server *s, struct client *c)
{
	int ret = 1;

	/* What is there first: it is never more than a request and a read. */
	if (c->starved && c->can_read)
		client_read(c);
	while (ret > 0 && !c->dead && !c->ending &&
	       client_unsent(c) <= OUT_MAX)
		ret = next_request(s, c);
	c->starved = !ret;
	if (ret == -EAGAIN) {
		s->full = true;
		s->stalls++;
	} else if (ret < 0) {
		return ret;
	}
	if (c->starved && c->at_end)
		c->ending = true;
	settle(s, c);
	return 0;
}

static int take_turns(struct server *s)
{
	struct client *c, *last = TAILQ_LAST(&s->ready, client_list);
	int ret = 0;

	while (!ret && !s->full && (c = TAILQ_FIRST(&s->ready))) {
		TAILQ_REMOVE(&s->ready, c, ready_list);
		c->ready = false;
		ret = take_turn(s, c);
		if (c == last)
			break;
	}
	return ret;
}

/* ------------------------------------------------------------------------
 * The journal and the snapshot
 */

/* How far it is durable; and answer those who waited for that. */
static int advance(struct server *s)
{
	struct client *c, *next;
	int ret;

	ret = journal_durable(s->store.j, &s->store.frontier);
	if (ret < 0)
		return ret;
	s->full = false;
	for (c = TAILQ_FIRST(&s->waiting); c; c = next) {
		next = TAILQ_NEXT(c, waiting_list);
		client_release(c, s->store.frontier);
		if (!c->hold_count) {
			TAILQ_REMOVE(&s->waiting, c, waiting_list);
			c->waiting = false;
		}
		settle(s, c);
	}
	return 0;
}

static void snapshot_failed(struct server *s, int ret)
{
	s->snapshots_failed++;
	fprintf(stderr, "kv-server: %s/snapshot: not written: %s; the journal "
		"keeps its records\n", s->options->store.dir, strerror(-ret));
}

/* Begin one if the journal has grown enough, or go on with it by a slice. */
static void tend_snapshot(struct server *s)
{
	struct snapshot *sn = &s->snapshot;
	int ret;

	if (!sn->running) {
		if (s->store.appended - s->snapshot_from <
		    s->options->snapshot_bytes)
			return;
		s->snapshot_from = s->store.appended;
		ret = snapshot_start(sn);
	} else {
		ret = snapshot_step(sn);
	}
	if (ret < 0) {
		snapshot_failed(s, ret);
	} else if (ret > 0) {
		s->store.snapshot_lsn = sn->lsn;
		/* It can only fail as the next append will. */
		(void)journal_trim(s->store.j, sn->lsn);
		if (s->options->verbose)
			fprintf(stderr, "kv-server: snapshot below LSN %"
				PRIu64 ": %" PRIu64 " keys\n", sn->lsn,
				sn->count);
	}
}

/* ------------------------------------------------------------------------
 * The loop
 */

/* Take in what an eventfd or a signalfd says. */
static void empty(int fd, void *data, size_t size)
{
	(void)!read(fd, data, size);
}

static void note(struct server *s, const struct epoll_event *event)
{
	struct source *source = event->data.ptr;
	struct signalfd_siginfo signal;
	struct client *c;
	uint64_t count;

	switch (source->kind) {
	case SOURCE_LISTENER:
		welcome_all(s, source->fd);
		break;
	case SOURCE_SIGNAL:
		empty(source->fd, &signal, sizeof(signal));
		s->stopping = true;
		break;
	case SOURCE_JOURNAL:
		s->journal_calls = true;
		break;
	case SOURCE_SNAPSHOT:
		empty(source->fd, &count, sizeof(count));
		break;
	case SOURCE_CLIENT:
		c = (struct client *)source;
		if (event->events &
		    (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
			c->can_read = true;
		if (event->events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
			c->can_write = true;
		settle(s, c);
		break;
	}
}

/* How long to wait for events: not at all if there is more to do. */
static int patience_ms(const struct server *s)
{
	if (s->table.garbage ||
	    (!TAILQ_EMPTY(&s->ready) && !s->full && !s->stopping))
		return 0;
	return s->deaf || s->stopping ? DEAF_MS : -1;
}

static int pass(struct server *s)
{
	struct epoll_event events[EVENTS];
	uint64_t began;
	int n, ret = 0;

	n = epoll_wait(s->epoll_fd, events, EVENTS, patience_ms(s));
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	began = now_ns();
	s->turn++;
	s->journal_calls = false;
	for (int i = 0; i < n; i++)
		note(s, &events[i]);
	if (s->deaf)
		listen_to(s, !s->stopping);
	if (!s->stopping)
		ret = take_turns(s);
	if (!ret && s->journal_calls)
		ret = advance(s);
	if (!ret && s->submitted != s->store.appended) {
		ret = journal_submit(s->store.j);
		s->submitted = s->store.appended;
	}
	if (ret < 0)
		return ret;
	tend_snapshot(s);
	(void)table_sweep(&s->table);
	bury_dead(s);
	if (now_ns() - began > s->pass_max_ns)
		s->pass_max_ns = now_ns() - began;
	return 0;
}

/* Whether a reply is still on its way. */
static bool owes(const struct server *s)
{
	struct client *c;

	TAILQ_FOREACH(c, &s->all, all)
		if (client_unsent(c))
			return true;
	return false;
}

int server_run(struct server *s, char *message, size_t message_size)
{
	uint64_t until = 0;
	int ret = 0;

	while (!ret && (!s->stopping || !until ||
			(owes(s) && now_ns() < until))) {
		if (s->stopping && !until) {
			until = now_ns() + GOODBYE_MS * 1000000ull;
			listen_to(s, false);
		}
		ret = pass(s);
	}
	if (ret < 0)
		snprintf(message, message_size, "%s/journal: %s; nothing more "
			 "can be acknowledged", s->options->store.dir,
			 journal_strerror(ret));
	return ret;
}

/* ------------------------------------------------------------------------
 * Opening and closing
 */

static int open_signals(struct server *s)
{
	sigset_t set;

	/* Before the library starts its threads, which inherit it. */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	s->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signals.fd < 0 ? -errno : 0;
}

static int open_loop(struct server *s)
{
	int ret;

	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll_fd < 0)
		return -errno;
	ret = open_signals(s);
	if (!ret)
		ret = watch(s, &s->signals, EPOLLIN);
	return ret;
}

static int open_journal(struct server *s, char *message, size_t message_size)
{
	int ret;

	ret = store_open(&s->store, &s->table, &s->options->store, message,
			 message_size);
	if (ret < 0)
		return ret;
	s->submitted = s->store.appended;
	s->snapshot_from = s->store.snapshot_lsn;
	s->journal.fd = journal_eventfd(s->store.j);
	ret = s->journal.fd < 0 ? s->journal.fd :
				  watch(s, &s->journal, EPOLLIN);
	if (!ret)
		ret = snapshot_init(&s->snapshot, &s->store);
	if (!ret) {
		s->snapshots.fd = s->snapshot.event_fd;
		ret = watch(s, &s->snapshots, EPOLLIN);
	}
	return ret;
}

int server_open(struct server *s, const struct server_options *options,
		char *message, size_t message_size)
{
	uint64_t seed;
	int ret;

	*s = (struct server){
		.options = options, .epoll_fd = -1,
		.store = { .dir_fd = -1 }, .snapshot = { .event_fd = -1 },
		.listeners = {
			{ SOURCE_LISTENER, -1 }, { SOURCE_LISTENER, -1 },
		},
		.signals = { SOURCE_SIGNAL, -1 },
		.journal = { SOURCE_JOURNAL, -1 },
		.snapshots = { SOURCE_SNAPSHOT, -1 },
		.started_s = now_ns() / 1000000000u,
	};
	TAILQ_INIT(&s->all);
	TAILQ_INIT(&s->ready);
	TAILQ_INIT(&s->waiting);
	TAILQ_INIT(&s->dead);
	message[0] = 0;
	ret = getrandom(&seed, sizeof(seed), 0) < 0 ? -errno :
	      table_init(&s->table, seed);
	if (!ret)
		ret = open_loop(s);
	if (!ret)
		ret = open_journal(s, message, message_size);
	if (!ret)
		ret = server_listen(s, message, message_size);
	if (ret < 0 && !message[0])
		snprintf(message, message_size, "%s", strerror(-ret));
	return ret;
}

int server_close(struct server *s)
{
	struct client *c;
	int ret;

	while ((c = TAILQ_FIRST(&s->all)))
		bury(s, c);
	for (int i = 0; i < 2; i++)
		if (s->listeners[i].fd >= 0)
			close(s->listeners[i].fd);
	if (s->options->unix_path && s->unix_bound)
		unlink(s->options->unix_path);
	if (s->snapshot.event_fd >= 0)
		snapshot_free(&s->snapshot);
	ret = store_close(&s->store);
	if (s->signals.fd >= 0)
		close(s->signals.fd);
	if (s->epoll_fd >= 0)
		close(s->epoll_fd);
	table_free(&s->table);
	return ret;
}
