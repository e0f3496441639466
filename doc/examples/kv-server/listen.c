/*
 * listen.c - the sockets on which clients arrive.
 *
 * They are opened when the table is filled: who can connect can ask.  A socket
 * file that nobody listens to any more is replaced, any other is an error.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "server.h"

#define BACKLOG		511

static int listen_on(struct server *s, struct source *source,
		     const struct sockaddr *address, socklen_t len)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = source };
	int one = 1;

	source->fd = socket(address->sa_family,
			    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (source->fd < 0)
		return -errno;
	if (address->sa_family != AF_UNIX &&
	    setsockopt(source->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)))
		return -errno;
	if (bind(source->fd, address, len))
		return -errno;
	if (address->sa_family == AF_UNIX)
		s->unix_bound = true;
	if (listen(source->fd, BACKLOG) ||
	    epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, source->fd, &event))
		return -errno;
	return 0;
}

static int listen_tcp(struct server *s, char *message, size_t message_size)
{
	const struct server_options *o = s->options;
	struct addrinfo hints = {
		.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM,
	}, *found;
	int ret;

	ret = getaddrinfo(o->bind, o->port, &hints, &found);
	if (ret) {
		snprintf(message, message_size, "--bind %s --port %s: %s",
			 o->bind, o->port, gai_strerror(ret));
		return -EINVAL;
	}
	ret = listen_on(s, &s->listeners[0], found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	if (ret < 0)
		snprintf(message, message_size, "%s port %s: %s", o->bind,
			 o->port, strerror(-ret));
	return ret;
}

/* Remove the socket of a server that is gone. */
static void remove_stale(const struct sockaddr_un *address)
{
	struct stat status;
	int fd;

	if (lstat(address->sun_path, &status) || !S_ISSOCK(status.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) &&
	    errno == ECONNREFUSED)
		(void)unlink(address->sun_path);
	close(fd);
}

static int listen_unix(struct server *s, char *message, size_t message_size)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = s->options->unix_path;
	int ret;

	if (strlen(path) >= sizeof(address.sun_path)) {
		snprintf(message, message_size, "%s: a socket's path may have "
			 "%zu bytes", path, sizeof(address.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	memcpy(address.sun_path, path, strlen(path));
	remove_stale(&address);
	ret = listen_on(s, &s->listeners[1], (struct sockaddr *)&address,
			sizeof(address));
	if (ret < 0)
		snprintf(message, message_size, "%s: %s", path, strerror(-ret));
	return ret;
}

int server_listen(struct server *s, char *message, size_t message_size)
{
	int ret = 0;

	if (s->options->port)
		ret = listen_tcp(s, message, message_size);
	if (!ret && s->options->unix_path)
		ret = listen_unix(s, message, message_size);
	return ret;
}
