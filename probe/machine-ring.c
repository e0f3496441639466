/*
 * probe/machine-ring.c - what io_uring can do here, tried on rings of a moment.
 *
 * Each ring is made for one question and closed again; none is ever entered.
 */
#include "config.h"

#include <errno.h>
#include <liburing.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "lib/file.h"
#include "probe/machine-impl.h"

#define ENTRIES		4u
/* Longer than a try takes: the polling thread ends with the ring. */
#define SQPOLL_IDLE_MS	10u

#define OPS_MAX		256u
#define BUFFERS_MAX_BYTES	(64u << 20)

static int setup(struct jnl_machine_linux *l, unsigned int flags,
		 struct io_uring_params *ret_p)
{
	memset(ret_p, 0, sizeof(*ret_p));
	ret_p->flags = flags;
	ret_p->sq_thread_idle = flags & IORING_SETUP_SQPOLL ? SQPOLL_IDLE_MS : 0;
	return l->sys->ring_setup(l->sys, ENTRIES, ret_p);
}

static int ring_flags(struct jnl_machine_linux *l, unsigned int flags,
		      char **ret_text)
{
	struct io_uring_params params;
	int fd;

	fd = setup(l, flags, &params);
	if (fd < 0)
		return fd;
	l->sys->close(l->sys, fd);
	return jnl_machine_format(ret_text, "flags %u\nfeatures %u\n",
				  params.flags, params.features);
}

static int format_ops(const struct io_uring_probe *probe, char **ret_text)
{
	char text[OPS_MAX * 9 + 1], *at = text;
	unsigned int i;

	*at = '\0';
	for (i = 0; i < probe->ops_len && i < OPS_MAX; i++)
		if (probe->ops[i].flags & IO_URING_OP_SUPPORTED)
			at += sprintf(at, "op.%u 1\n", i);
	return jnl_machine_format(ret_text, "%s", text);
}

static int ring_ops(struct jnl_machine_linux *l, int fd, char **ret_text)
{
	struct io_uring_probe *probe;
	int ret;

	probe = calloc(1, sizeof(*probe) + OPS_MAX * sizeof(probe->ops[0]));
	if (!probe)
		return -ENOMEM;
	ret = l->sys->ring_register(l->sys, fd, IORING_REGISTER_PROBE, probe,
				    OPS_MAX);
	if (ret >= 0)
		ret = format_ops(probe, ret_text);
	free(probe);
	return ret;
}

static int ring_files(struct jnl_machine_linux *l, int fd)
{
	int32_t files[1] = { l->dirfd };

	return l->sys->ring_register(l->sys, fd, IORING_REGISTER_FILES, files,
				     1);
}

static int ring_buffers(struct jnl_machine_linux *l, int fd, unsigned int len)
{
	struct iovec iov = { .iov_len = len };
	int ret;

	if (!len || len > BUFFERS_MAX_BYTES)
		return -EINVAL;
	iov.iov_base = jnl_buffer_alloc(len);
	if (!iov.iov_base)
		return -ENOMEM;
	ret = l->sys->ring_register(l->sys, fd, IORING_REGISTER_BUFFERS, &iov,
				    1);
	jnl_buffer_free(iov.iov_base, len);
	return ret;
}

static int with_ring(struct jnl_machine_linux *l, const char *what,
		     char **ret_text)
{
	struct io_uring_params params;
	unsigned int len;
	int fd, ret;

	fd = setup(l, 0, &params);
	if (fd < 0)
		return fd;
	if (!strcmp(what, "ops"))
		ret = ring_ops(l, fd, ret_text);
	else if (!strcmp(what, "files"))
		ret = ring_files(l, fd);
	else if (sscanf(what, "buffers %u", &len) == 1)
		ret = ring_buffers(l, fd, len);
	else
		ret = -EOPNOTSUPP;
	l->sys->close(l->sys, fd);
	return ret < 0 ? ret : 0;
}

int jnl_machine_ring(struct jnl_machine_linux *l, const char *what,
		     char **ret_text)
{
	unsigned int flags;

	if (sscanf(what, "0x%x", &flags) == 1)
		return ring_flags(l, flags, ret_text);
	return with_ring(l, what, ret_text);
}
