/*
 * probe/timing.c - journal-probe --measure: running it.
 *
 * The files written to have no name, so however the process ends they are
 * gone.  SIGHUP, SIGINT and SIGTERM are taken between two steps, a fraction of
 * a second apart, so that the bar is taken off the terminal and none of them
 * falls between making a file and removing its name.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probe/timing.h"

#define MIB		((uint64_t)1024 * 1024)
#define FILE_BYTES	(16 * MIB)
#define FILL_NS		500000000u
#define BYTES_PER_S	(256 * MIB)
#define SECOND_NS	1000000000u
#define ROUND_NS	100000000u
#define ROUNDS_MAX	100u
#define BAR_WIDTH	30u

bool jnl_timing_parse(const char *text, uint64_t *ret_ns)
{
	char *end;
	double s;

	/* Also keeps "inf", "nan" and "0x1" out. */
	if (!*text || text[strspn(text, "0123456789.")])
		return false;
	s = strtod(text, &end);
	if (*end || !(s >= TIMING_SECONDS_MIN && s <= TIMING_SECONDS_MAX))
		return false;
	*ret_ns = (uint64_t)(s * SECOND_NS);
	return true;
}

/* ------------------------------------------------------------------------
 * The bar
 */

static bool bar_wanted(void)
{
	const char *term = getenv("TERM");

	return isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
}

static void bar_announce(const struct jnl_measure *m)
{
	size_t n = 0;

	while (jnl_measure_at(m, n))
		n++;
	fprintf(stderr, "Measuring %zu ways: about %llu s, at most %llu MiB "
		"written.\n", n,
		(unsigned long long)((jnl_measure_time_ns(m) +
				      SECOND_NS / 2) / SECOND_NS),
		(unsigned long long)(jnl_measure_bytes(m) / MIB));
}

static void bar_draw(const struct jnl_measure *m)
{
	size_t done = jnl_measure_steps_done(m), all = jnl_measure_steps(m);
	size_t full = done * BAR_WIDTH / all;

	fputs("\r[", stderr);
	for (size_t i = 0; i < BAR_WIDTH; i++)
		putc(i < full ? '#' : ' ', stderr);
	fprintf(stderr, "] %3zu %%", done * 100 / all);
	(void)fflush(stderr);
}

static void bar_clear(void)
{
	fputs("\r\033[K", stderr);
	(void)fflush(stderr);
}

/* ------------------------------------------------------------------------
 * Signals
 */

static void block_signals(sigset_t *ret_taken)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGTERM };
	struct sigaction sa;

	(void)sigemptyset(ret_taken);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		/* One that is ignored (nohup) stays so. */
		if (sigaction(signals[i], NULL, &sa) == 0 &&
		    sa.sa_handler != SIG_IGN)
			(void)sigaddset(ret_taken, signals[i]);
	}
	(void)sigprocmask(SIG_BLOCK, ret_taken, NULL);
}

static int signal_taken(const sigset_t *taken)
{
	static const struct timespec now;
	int number = sigtimedwait(taken, NULL, &now);

	return number > 0 ? number : 0;
}

static void die_by(int number, const sigset_t *taken)
{
	(void)signal(number, SIG_DFL);
	(void)raise(number);
	(void)sigprocmask(SIG_UNBLOCK, taken, NULL);
}

/* ------------------------------------------------------------------------ */

static void run_steps(struct jnl_measure *m)
{
	bool bar = bar_wanted();
	int number = 0;
	sigset_t taken;

	if (!jnl_measure_steps(m))
		return;
	block_signals(&taken);
	if (bar)
		bar_announce(m);
	do {
		if (bar)
			bar_draw(m);
		number = signal_taken(&taken);
	} while (!number && jnl_measure_step(m));
	if (bar)
		bar_clear();
	if (number)
		die_by(number, &taken);
	(void)sigprocmask(SIG_UNBLOCK, &taken, NULL);
}

struct jnl_measure *jnl_timing_run(journal_probe *p, const char *path,
				   uint64_t pair_ns)
{
	struct jnl_measure_config cfg = {
		.pair_ns = pair_ns,
		.pair_bytes = pair_ns * (BYTES_PER_S / MIB) / SECOND_NS * MIB,
		.fill_ns = FILL_NS,
		.file_bytes = FILE_BYTES,
		.rounds = (uint32_t)(pair_ns / ROUND_NS),
		.depths = { 1, JNL_MEASURE_QUEUE, 16 },
		.requested_too = true,
	};
	struct jnl_sys *sys = jnl_sys_linux();
	struct jnl_measure *m = NULL;
	int dirfd, ret;

	if (cfg.rounds > ROUNDS_MAX)
		cfg.rounds = ROUNDS_MAX;
	/* A device is never written to: a directory, or nothing. */
	dirfd = sys->openat(sys, AT_FDCWD, path,
			    O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	ret = dirfd < 0 ? dirfd : jnl_measure_new(&m, sys, dirfd, p, &cfg);
	if (ret < 0)
		fprintf(stderr, "journal-probe: %s: cannot measure: %s%s\n",
			path, strerror(-ret), ret == -ENOTDIR ?
			"; this program never writes to a device: give a "
			"directory, or have a journal measure in its own room "
			"there (journal-tool append --measure)" : "");
	if (ret == 0)
		run_steps(m);
	if (dirfd >= 0)
		(void)sys->close(sys, dirfd);
	return m;
}
