/*
 * probe/kernel.c - which kernel this is, and what it lets this process do.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probe/ask.h"
#include "probe/facts.h"

/* The files of /proc/self that are read are small. */
#define STATUS_MAX_BYTES	65536

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

static void set_release(journal_probe *p)
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

/* proc_pid_status(5): the mode is one digit. */
static int seccomp_mode(const char *status, const char **ret_mode)
{
	static const char *const modes[] = { "off", "strict", "filter" };
	static const char key[] = "Seccomp:\t";
	const char *at = strstr(status, key);

	if (!at || (at > status && at[-1] != '\n'))
		return -ENODATA;
	at += sizeof(key) - 1;
	if (*at < '0' || *at > '2' || (at[1] && at[1] != '\n'))
		return -EINVAL;
	*ret_mode = modes[*at - '0'];
	return 0;
}

static void set_seccomp(journal_probe *p)
{
	static const char file[] = "/proc/self/status";
	const char *mode;
	char *status;
	int ret;

	ret = jnl_ask_text(p->machine, JNL_ASK_FILE, file, STATUS_MAX_BYTES,
			   &status);
	if (ret == 0) {
		ret = seccomp_mode(status, &mode);
		free(status);
	}
	if (ret == 0)
		jnl_fact_text(p, JNL_KERNEL_SECCOMP, JOURNAL_FACT_REPORTED,
			      mode, file);
	else
		jnl_fact_unknown(p, JNL_KERNEL_SECCOMP, ret, file);
}

/*
 * Documentation/admin-guide/sysctl/kernel.rst, since Linux 6.6: 0 for
 * everybody, 1 for members of a group and root, 2 for nobody.  Before there
 * was no such switch, and no such file.
 */
static void set_io_uring_disabled(journal_probe *p)
{
	static const char file[] = "/proc/sys/kernel/io_uring_disabled";
	uint64_t value;
	int ret;

	ret = jnl_ask_number(p->machine, file, &value);
	if (ret == 0 && value > 2)
		ret = -EINVAL;
	if (ret == 0)
		jnl_fact_number(p, JNL_KERNEL_URING_DISABLED,
				JOURNAL_FACT_REPORTED, value, file);
	else if (ret == -ENOENT && jnl_fact_known(p, JNL_KERNEL_RELEASE) &&
		 !strncmp(p->facts[JNL_KERNEL_RELEASE].source, "/proc", 5))
		jnl_fact_text(p, JNL_KERNEL_URING_DISABLED,
			      JOURNAL_FACT_REPORTED, "no such switch", file);
	else
		jnl_fact_unknown(p, JNL_KERNEL_URING_DISABLED, ret, file);
}

static void set_memlock(journal_probe *p)
{
	static const char source[] = "getrlimit(2)";
	char *keys, *soft = NULL;
	uint64_t value;
	int ret;

	ret = jnl_ask_keys(p->machine, JNL_ASK_CALL, "getrlimit memlock",
			   &keys);
	if (ret == 0) {
		ret = jnl_key_text(keys, "soft", &soft);
		free(keys);
	}
	if (ret == 0 && strcmp(soft, "unlimited"))
		ret = jnl_number(soft, &value);
	if (ret < 0)
		jnl_fact_unknown(p, JNL_KERNEL_MEMLOCK_BYTES, ret, source);
	else if (!strcmp(soft, "unlimited"))
		jnl_fact_text(p, JNL_KERNEL_MEMLOCK_BYTES,
			      JOURNAL_FACT_REPORTED, soft, source);
	else
		jnl_fact_number(p, JNL_KERNEL_MEMLOCK_BYTES,
				JOURNAL_FACT_REPORTED, value, source);
	free(soft);
}

void jnl_prober_kernel(journal_probe *p)
{
	set_release(p);
	set_seccomp(p);
	set_io_uring_disabled(p);
	set_memlock(p);
}
