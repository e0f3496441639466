/*
 * probe/kernel.c - which kernel this is.
 */
#include "config.h"

#include <stdlib.h>

#include "probe/ask.h"
#include "probe/facts.h"

static int from_uname(journal_probe *p, char **ret_release)
{
	char *keys;
	int ret;

	ret = jnl_ask_keys(p->machine, JNL_ASK_CALL, "uname", &keys);
	if (ret < 0)
		return ret;
	ret = jnl_key_text(keys, "release", ret_release);
	free(keys);
	return ret;
}

void jnl_prober_kernel(journal_probe *p)
{
	static const char file[] = "/proc/sys/kernel/osrelease";
	const char *source = file;
	char *release;
	int ret;

	ret = jnl_ask_line(p->machine, file, &release);
	/* Without /proc the kernel itself still tells. */
	if (ret < 0 && from_uname(p, &release) == 0) {
		source = "uname(2)";
		ret = 0;
	}
	if (ret == 0) {
		jnl_fact_text(p, JNL_KERNEL_RELEASE, JOURNAL_FACT_REPORTED,
			      release, source);
		free(release);
	} else {
		jnl_fact_unknown(p, JNL_KERNEL_RELEASE, ret, source);
	}
}
