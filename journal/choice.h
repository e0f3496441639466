/*
 * journal/choice.h - a measured choice, kept with the journal.
 *
 * The file "choice" in its directory, or a place of its own on a raw device
 * (journal/raw-format.h), is a few lines of text: what was measured to be best,
 * and on what machine.  It is advice and nothing else: whatever is wrong with it,
 * or with the machine it is for, it is not used, and a line says why.  It
 * never makes a method usable that the ranking refuses.
 *
 * Invariants
 *   - The file is written whole under another name, synced and renamed; on a
 *     device the text is written over the old one and synced: what a crash
 *     leaves of it is damaged, and so none.
 *   - At most JNL_CHOICE_MAX bytes of it are read, a regular file only.
 *   - It is used only if every key is what the probe finds now; kernel and
 *     file system have to be known, of the rest "unknown" equals itself.  A
 *     raw device may have grown.  A drive's serial number is not written
 *     down, but a sum of it.
 */
#ifndef JNL_JOURNAL_CHOICE_H
#define JNL_JOURNAL_CHOICE_H

#include "journal/segment.h"
#include "probe/measure.h"
#include "probe/probe.h"

#define JNL_CHOICE_MAX	8192u

/* What the file says; the texts are from a table of the library's. */
struct jnl_kept_choice {
	const char *method;	/* NULL: nothing */
	const char *driver, *carrier;
	uint64_t alone_ns, many_ns;
	bool passthrough;	/* nvme-flush was allowed */
	/* What it was measured on, for people: "kernel 6.1.0, ext4 on ..." */
	char machine[192];
};

/* Why it is not used, in one line. */
#define JNL_CHOICE_WHY	256

/*
 * The file's text for what was measured on the machine of p, with nvme-flush
 * allowed or without; the caller frees it.  NULL: no memory.
 */
char *jnl_choice_format(const journal_probe *p,
			const struct jnl_measured *measured, bool passthrough);

/*
 * Read the file.  With p, it has to be for that machine.  0 and *ret, or with
 * the reason in why: -EBADMSG (damaged), -ESTALE (another machine or library)
 * or what reading it came to; -ENOENT: there is none.
 */
int jnl_choice_read(struct jnl_sys *sys, int dirfd, const journal_probe *p,
		    struct jnl_kept_choice *ret, char why[JNL_CHOICE_WHY]);

/* As jnl_choice_read(), from text of so many bytes. */
int jnl_choice_parse(const char *text, size_t len, const journal_probe *p,
		     struct jnl_kept_choice *ret, char why[JNL_CHOICE_WHY]);

/*
 * Put text in the file's place.  -errno; *ret_final as in jnl_dir_publish().
 */
int jnl_choice_write(struct jnl_dir *dir, const char *text, bool *ret_final);

#endif
