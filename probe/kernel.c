/*
 * probe/kernel.c - which kernel this is.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/utsname.h>

#include "probe/facts.h"
#include "probe/text.h"

void jnl_prober_kernel(journal_probe *p)
{
	static const char file[] = "/proc/sys/kernel/osrelease";
	struct utsname un;
	char *line;
	int ret;

	ret = jnl_text_line(p->sysroot, file, &line);
	if (ret == 0) {
		jnl_fact_text(p, JNL_KERNEL_RELEASE, JOURNAL_FACT_REPORTED,
			      line, file);
		free(line);
	} else if (!*p->sysroot && uname(&un) == 0) {
		/* UNTESTED: without /proc the kernel itself still tells. */
		jnl_fact_text(p, JNL_KERNEL_RELEASE, JOURNAL_FACT_REPORTED,
			      un.release, "uname(2)");
	} else {
		jnl_fact_unknown(p, JNL_KERNEL_RELEASE, ret, file);
	}
}
