/*
 * journal/tool-progress.c - one line on the terminal that says how far it is.
 */
#include "config.h"

#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "journal/tool.h"

#define BAR_CELLS	24
#define FIRST_NS	1000000000ull
#define STEP_NS		200000000ull

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void jnl_progress_init(struct jnl_progress *p, int input_fd)
{
	struct stat st;
	off_t at;

	*p = (struct jnl_progress){ 0 };
	p->active = isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO);
	p->start_ns = p->last_ns = now_ns();
	if (fstat(input_fd, &st) == 0 && S_ISREG(st.st_mode)) {
		at = lseek(input_fd, 0, SEEK_CUR);
		if (at >= 0 && at < st.st_size)
			p->total_bytes = (uint64_t)(st.st_size - at);
	}
}

void jnl_progress_init_total(struct jnl_progress *p)
{
	*p = (struct jnl_progress){ 0 };
	p->active = isatty(STDERR_FILENO);
	p->start_ns = p->last_ns = now_ns();
}

static void draw_bar(uint64_t bytes, uint64_t total)
{
	double part = bytes < total ? (double)bytes / (double)total : 1;
	char bar[BAR_CELLS + 1];

	for (int i = 0; i < BAR_CELLS; i++)
		bar[i] = i < part * BAR_CELLS ? '#' : '.';
	bar[BAR_CELLS] = '\0';
	fprintf(stderr, "[%s] %3.0f%%  ", bar, part * 100);
}

void jnl_progress_show(struct jnl_progress *p, uint64_t records,
		       uint64_t bytes)
{
	uint64_t now;
	double seconds;

	if (!p->active)
		return;
	now = now_ns();
	if (now - p->start_ns < FIRST_NS || now - p->last_ns < STEP_NS)
		return;
	p->last_ns = now;
	p->drawn = true;
	seconds = (double)(now - p->start_ns) / 1e9;

	fputs("\r\033[K", stderr);
	if (p->total_bytes)
		draw_bar(bytes, p->total_bytes);
	if (records)
		fprintf(stderr, "%llu records (%.0f/s)  ",
			(unsigned long long)records, (double)records / seconds);
	fprintf(stderr, "%.1f MB (%.1f MB/s)", (double)bytes / 1e6,
		(double)bytes / 1e6 / seconds);
	fflush(stderr);
}

void jnl_progress_clear(struct jnl_progress *p)
{
	if (p->drawn)
		fputs("\r\033[K", stderr);
	p->drawn = false;
}
