/*
 * tests/examples/early.c - the negative control of the server's tests: linked
 * before libjournal, it makes the same server answer at the append.
 *
 * Whatever was appended is said to be durable, and the descriptor says at all
 * times that there is news.  The library itself is heard only now and then, as
 * if the device were slow: otherwise most of it would be true by the time that
 * somebody looks.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>

#include <journal.h>

int __real_journal_append(journal *j, const struct iovec *iov, int iovcnt,
			  uint64_t *ret_lsn);
int __real_journal_submit(journal *j);
int __real_journal_durable(journal *j, uint64_t *ret_frontier);
int __wrap_journal_append(journal *j, const struct iovec *iov, int iovcnt,
			  uint64_t *ret_lsn);
int __wrap_journal_submit(journal *j);
int __wrap_journal_durable(journal *j, uint64_t *ret_frontier);
int __wrap_journal_eventfd(journal *j);

#define SLOWNESS	1024	/* one call in so many gets through */

static uint64_t appended;

static bool now_and_then(void)
{
	static unsigned int calls;

	return ++calls % SLOWNESS == 0;
}

int __wrap_journal_append(journal *j, const struct iovec *iov, int iovcnt,
			  uint64_t *ret_lsn)
{
	int ret = __real_journal_append(j, iov, iovcnt, ret_lsn);

	if (ret == 0)
		appended = *ret_lsn;
	return ret;
}

int __wrap_journal_submit(journal *j)
{
	return now_and_then() ? __real_journal_submit(j) : 0;
}

int __wrap_journal_durable(journal *j, uint64_t *ret_frontier)
{
	int ret = now_and_then() ? __real_journal_durable(j, ret_frontier) : 0;

	if (ret == 0)
		*ret_frontier = appended + 1;
	return ret;
}

int __wrap_journal_eventfd(journal *j)
{
	(void)j;
	return eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
}
