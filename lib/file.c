/*
 * lib/file.c - whole reads, whole writes, flushes and aligned buffers.
 *
 * See lib/file.h for what is resumed and what is final.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>

#include "lib/compat.h"
#include "lib/file.h"

/* EAGAIN means that nothing was done; a device that keeps saying so for a
 * second is not going to write. */
#define EAGAIN_TRIES	1000
#define EAGAIN_PAUSE_NS	1000000L

/*
 * What to do about a failed call: 0 to try it again, else the error to give
 * up with.
 */
static int retry(int err, unsigned int *tries)
{
	static const struct timespec pause = { .tv_nsec = EAGAIN_PAUSE_NS };

	if (err == -EINTR)
		return 0;
	if (err != -EAGAIN || ++*tries > EAGAIN_TRIES)
		return err;
	(void)nanosleep(&pause, NULL);
	return 0;
}

int jnl_write_full(struct jnl_sys *sys, int fd, const void *buf, size_t len,
		   uint64_t offset, int rwf, size_t align)
{
	const uint8_t *p = buf;
	unsigned int tries = 0, short_counts = 0;
	size_t done = 0;

	assert(align && !(align & (align - 1)));
	while (done < len) {
		ssize_t n = sys->pwrite(sys, fd, p + done, len - done,
					offset + done, rwf);

		if (n < 0) {
			int err = retry((int)n, &tries);

			if (err)
				return err;
			continue;
		}
		if ((size_t)n >= len - done)
			return 0;
		/*
		 * A direct write has to go on from a block boundary: the part
		 * of a block that was written is written once more, with the
		 * same bytes.  Without a whole block of progress the count is
		 * bounded; what makes a write stop there (no space, a bad
		 * block) shows as an error in the next call.  Where all or
		 * nothing was asked for, a part is a failure.
		 */
		if (rwf & RWF_ATOMIC ||
		    ((size_t)n < align && ++short_counts > 16))
			return -EIO;
		done += (size_t)n & ~(align - 1);
	}
	return 0;
}

int jnl_way_flush(struct jnl_sys *sys, const struct jnl_way *way, int fd)
{
	/*
	 * fsync(2) is not interrupted by signals on local file systems; on
	 * one where it is, EINTR says nothing about the pages, so it is final
	 * like any other error.
	 */
	if (way->flush == JNL_FLUSH_FSYNC)
		return sys->fsync(sys, fd);
	return sys->fdatasync(sys, fd);
}

ssize_t jnl_read_full(struct jnl_sys *sys, int fd, void *buf, size_t len,
		      uint64_t offset)
{
	uint8_t *p = buf;
	unsigned int tries = 0;
	size_t done = 0;

	while (done < len) {
		ssize_t n = sys->pread(sys, fd, p + done, len - done,
				       offset + done, 0);

		if (n < 0) {
			int err = retry((int)n, &tries);

			if (err)
				return err;
			continue;
		}
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

void *jnl_buffer_alloc(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	if (madvise(p, len, MADV_DONTFORK) < 0) {
		(void)munmap(p, len);
		return NULL;
	}
	return p;
}

void jnl_buffer_free(void *buf, size_t len)
{
	if (buf)
		(void)munmap(buf, len);
}

uint8_t *jnl_alive_new(void)
{
	uint8_t *p = mmap(NULL, 1, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	if (madvise(p, 1, MADV_WIPEONFORK) < 0) {
		(void)munmap(p, 1);
		return NULL;
	}
	p[0] = 1;
	return p;
}

void jnl_alive_free(uint8_t *alive)
{
	if (alive)
		(void)munmap(alive, 1);
}
