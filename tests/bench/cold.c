/*
 * tests/bench/cold.c - what a device gives when it is read from one end to the
 * other, for floors.c.
 */
#include "config.h"

#include <errno.h>
#include <liburing.h>

#include "lib/file.h"
#include "tests/bench/cold.h"
#include "tests/bench/loop.h"

#define PIECE	(1u << 20)

static void ask(struct io_uring *ring, int fd, uint8_t *window, uint64_t piece,
		unsigned int depth)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	io_uring_prep_read(sqe, fd, window + piece % depth * PIECE, PIECE,
			   piece * PIECE);
	if (io_uring_submit(ring) != 1)
		die("io_uring_submit", -EIO);
}

uint64_t read_all(int fd, unsigned int depth)
{
	static uint8_t *window;
	static struct io_uring ring;
	uint64_t asked = 0, back = 0, total = 0;
	struct io_uring_cqe *cqe;
	bool end = false;

	if (!window) {
		window = jnl_buffer_alloc(COLD_DEPTH_MAX * PIECE);
		if (!window || io_uring_queue_init(COLD_DEPTH_MAX, &ring, 0))
			die("a ring", -ENOSYS);
	}
	while (!end || back < asked) {
		while (!end && asked - back < depth)
			ask(&ring, fd, window, asked++, depth);
		if (io_uring_wait_cqe(&ring, &cqe) < 0 || cqe->res < 0)
			die("a read by a ring", -EIO);
		back++;
		total += (uint64_t)cqe->res;
		end |= (unsigned int)cqe->res < PIECE;
		io_uring_cqe_seen(&ring, cqe);
	}
	return total;
}
