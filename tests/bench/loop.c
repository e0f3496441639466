/*
 * tests/bench/loop.c - an event loop's appends, for floors.c.
 *
 * The limit writes over one file again and again.  The journal does so too: it
 * gives back what is far behind, and its segments come round.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "journal/format.h"
#include "tests/bench/loop.h"

#define RECORD		128
#define KEEP		(8ull << 20)
#define TRIM_EVERY	64

static void wait_for(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	while (poll(&p, 1, -1) < 0) {
		if (errno != EINTR)
			die("poll", -errno);
	}
}

static uint64_t turn(journal *loop)
{
	uint64_t frontier;
	int ret;

	wait_for(journal_eventfd(loop));
	ret = journal_durable(loop, &frontier);
	if (ret < 0)
		die("journal_durable", ret);
	return frontier;
}

static void trim(journal *loop, uint64_t frontier)
{
	int ret = frontier < KEEP ? 0 : journal_trim(loop, frontier - KEEP);

	if (ret < 0)
		die("journal_trim", ret);
}

double loop_rate(journal *loop, double seconds)
{
	char payload[RECORD] = "an answer waits for it";
	struct iovec iov = { payload, sizeof(payload) };
	uint64_t lsn[LOOP_IN_FLIGHT], appended = 0, acked = 0, frontier;
	double start = now(), end = start + seconds;
	uint32_t turns = 0;
	bool on;
	int ret;

	/* The clock once a turn, as the limit has it once a write. */
	while ((on = now() < end) || acked < appended) {
		while (on && appended - acked < LOOP_IN_FLIGHT) {
			payload[0]++;
			ret = journal_append(loop, &iov, 1,
					     &lsn[appended % LOOP_IN_FLIGHT]);
			if (ret == -EAGAIN)
				break;
			if (ret < 0)
				die("append", ret);
			appended++;
		}
		ret = journal_submit(loop);
		if (ret < 0)
			die("journal_submit", ret);
		frontier = turn(loop);
		while (acked < appended &&
		       lsn[acked % LOOP_IN_FLIGHT] < frontier)
			acked++;
		if (++turns % TRIM_EVERY == 0)
			trim(loop, frontier);
	}
	return (double)acked / (now() - start);
}

/* ------------------------------------------------------------------------ */

static void ring_write(struct io_uring *ring, int event_fd, const void *buf,
		       unsigned int len, uint64_t at)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	struct io_uring_cqe *cqe;
	eventfd_t unused;

	io_uring_prep_write_fixed(sqe, 0, buf, len, at, 0);
	sqe->flags |= IOSQE_FIXED_FILE;
	sqe->rw_flags = RWF_DSYNC;
	if (io_uring_submit(ring) != 1)
		die("io_uring_submit", -EIO);
	wait_for(event_fd);
	(void)eventfd_read(event_fd, &unused);
	if (io_uring_wait_cqe(ring, &cqe) < 0 || cqe->res != (int)len)
		die("a write by a ring", -EIO);
	io_uring_cqe_seen(ring, cqe);
}

double loop_ring_rate(int fd, uint64_t file_size, void *buf, double seconds)
{
	uint64_t body = LOOP_IN_FLIGHT * jnl_record_size(RECORD), at = 0, n = 0;
	unsigned int len = (unsigned int)(JNL_BATCH_HEADER + body + 4095) &
			   ~4095u;
	struct iovec iov = { buf, len };
	struct io_uring ring;
	double start, end;
	int event_fd;

	event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (event_fd < 0 || io_uring_queue_init(4, &ring, 0) < 0 ||
	    io_uring_register_files(&ring, &fd, 1) < 0 ||
	    io_uring_register_buffers(&ring, &iov, 1) < 0 ||
	    io_uring_register_eventfd(&ring, event_fd) < 0)
		die("a ring", -ENOSYS);
	start = now();
	end = start + seconds;
	while (now() < end) {
		if (at + len > file_size)
			at = 0;
		*(volatile char *)buf = (char)++n;
		ring_write(&ring, event_fd, buf, len, at);
		at += len;
	}
	end = now();
	io_uring_queue_exit(&ring);
	close(event_fd);
	return LOOP_IN_FLIGHT * (double)n / (end - start);
}
