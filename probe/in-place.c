/*
 * probe/in-place.c - is what was once written overwritten where it lies?
 *
 * fs.in_place is 1 only where an overwrite of written, unshared blocks changes
 * nothing but their bytes: ext4 that does not journal data, and xfs that has no
 * blocks shared between files and no realtime device.  Then a flush of the
 * device is all that a completed overwrite lacks.  No for file systems that
 * never do so, or may not; not known for those that nobody looked at.
 */
#include "config.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>

#include "probe/ask.h"
#include "probe/facts.h"

#define OPTIONS_MAX_BYTES	4096

/*
 * 1, 0 or a negative errno.  mountinfo shows what differs from the default of
 * this file system; all of it is in /proc/fs, fs/ext4/super.c.
 */
static int mounted_with_data_journal(journal_probe *p, char **ret_source)
{
	const char *name = jnl_fact_text_or(p, JNL_DEVICE_NAME, NULL);
	char *text;
	int ret;

	if (jnl_has_option(jnl_fact_text_or(p, JNL_FS_MOUNT_OPTIONS, ""),
			   "data=journal"))
		return 1;
	if (!name)
		return -ENODEV;
	*ret_source = jnl_probe_format(p, "/proc/fs/ext4/%s/options", name);
	if (!*ret_source)
		return -ENOMEM;
	ret = jnl_ask_text(p->machine, JNL_ASK_FILE, *ret_source,
			   OPTIONS_MAX_BYTES, &text);
	if (ret < 0)
		return ret;
	/* What is certain to be in it, and its end: else it is not whole. */
	if (jnl_has_option(text, "data=journal"))
		ret = 1;
	else
		ret = (jnl_has_option(text, "rw") ||
		       jnl_has_option(text, "ro")) &&
		      text[strlen(text) - 1] == '\n' ? 0 : -EINVAL;
	free(text);
	return ret;
}

/* The flag of new files here: 1, 0 or a negative errno. */
static int files_journal_data(journal_probe *p)
{
	uint64_t flags;
	char *keys;
	int ret;

	ret = jnl_ask_keys(p->machine, JNL_ASK_CALL, "flags scratch", &keys);
	if (ret < 0)
		return ret;
	ret = jnl_key_number(keys, "flags", &flags);
	free(keys);
	return ret < 0 ? ret : !!(flags & FS_JOURNAL_DATA_FL);
}

static void set_data_journal(journal_probe *p)
{
	static const enum jnl_fact id = JNL_FS_DATA_JOURNAL;
	const char *flags = "FS_IOC_GETFLAGS, ioctl_iflags(2)";
	char *source = NULL;
	int mount, files;

	mount = mounted_with_data_journal(p, &source);
	files = files_journal_data(p);
	if (mount > 0 || files > 0)
		jnl_fact_number(p, id, JOURNAL_FACT_REPORTED, 1,
				mount <= 0 ? flags : source ? source :
				p->facts[JNL_FS_MOUNT_OPTIONS].source);
	else if (mount < 0)
		jnl_fact_unknown(p, id, mount, source ? source : "");
	else if (files < 0)
		jnl_fact_unknown(p, id, files, flags);
	else
		jnl_fact_number(p, id, JOURNAL_FACT_REPORTED, 0, source);
	free(source);
}

static void set(journal_probe *p, uint64_t value, const char *source)
{
	jnl_fact_number(p, JNL_FS_IN_PLACE, JOURNAL_FACT_REPORTED, value,
			source);
}

static void judge_xfs(journal_probe *p)
{
	const char *options = jnl_fact_text_or(p, JNL_FS_MOUNT_OPTIONS, NULL);
	const char *reflink = jnl_fact_name(JNL_FS_REFLINK);

	if (options && jnl_has_option(options, "rtdev="))
		set(p, 0, p->facts[JNL_FS_MOUNT_OPTIONS].source);
	else if (!jnl_fact_known(p, JNL_FS_REFLINK))
		jnl_fact_unknown(p, JNL_FS_IN_PLACE,
				 p->facts[JNL_FS_REFLINK].error, reflink);
	else if (p->facts[JNL_FS_REFLINK].value)
		set(p, 0, reflink);
	else if (!options)
		jnl_fact_unknown(p, JNL_FS_IN_PLACE, -ENODATA,
				 p->facts[JNL_FS_MOUNT_OPTIONS].source);
	else
		set(p, 1, reflink);
}

void jnl_prober_in_place(journal_probe *p)
{
	static const char *const never[] = { "btrfs", "f2fs", "overlay" };
	const char *journal = jnl_fact_name(JNL_FS_DATA_JOURNAL);
	const char *source = p->facts[JNL_FS_TYPE].source;
	size_t i;

	if (jnl_fact_is(p, JNL_FS_TYPE, "ext4")) {
		set_data_journal(p);
		if (jnl_fact_known(p, JNL_FS_DATA_JOURNAL))
			set(p, !p->facts[JNL_FS_DATA_JOURNAL].value, journal);
		else
			jnl_fact_unknown(p, JNL_FS_IN_PLACE,
					 p->facts[JNL_FS_DATA_JOURNAL].error,
					 journal);
		return;
	}
	if (jnl_fact_is(p, JNL_FS_TYPE, "xfs")) {
		judge_xfs(p);
		return;
	}
	for (i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		if (jnl_fact_is(p, JNL_FS_TYPE, never[i]))
			set(p, 0, source);
}
