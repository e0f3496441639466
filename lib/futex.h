/*
 * lib/futex.h - sleep on a word, wake who sleeps on it (futex(2), private).
 */
#ifndef JNL_LIB_FUTEX_H
#define JNL_LIB_FUTEX_H

#include <assert.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

static_assert(sizeof(_Atomic uint32_t) == 4, "a futex is 32 bits");

/* Sleep while *word is seen; may return at any time. */
static inline void jnl_futex_wait(_Atomic uint32_t *word, uint32_t seen)
{
	(void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

/* Wake at most n; to be called after *word was changed. */
static inline void jnl_futex_wake(_Atomic uint32_t *word, int n)
{
	(void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

#endif
