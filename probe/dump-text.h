/*
 * probe/dump-text.h - the words of a dump, for who writes and who reads it.
 */
#ifndef JNL_PROBE_DUMP_TEXT_H
#define JNL_PROBE_DUMP_TEXT_H

#include "probe/machine.h"

#define JNL_DUMP_MAGIC	"libjournal machine 1"

#define JNL_DUMP_LINE	'='	/* a line of text, with its newline */
#define JNL_DUMP_REST	'~'	/* the last one, without */
#define JNL_DUMP_BYTES	':'	/* an offset and bytes, all in hex */
#define JNL_DUMP_ERROR	'!'	/* an errno by its name */

/* Bytes on a line, as they are written. */
#define JNL_DUMP_ROW	16u

/* By enum jnl_question; NULL behind the last. */
static const char *const jnl_dump_kinds[] = {
	[JNL_ASK_FILE]	= "file",
	[JNL_ASK_LINK]	= "link",
	[JNL_ASK_LIST]	= "list",
	[JNL_ASK_CALL]	= "call",
	[JNL_ASK_TRY]	= "try",
	[JNL_ASK_NVME]	= "nvme",
	NULL
};

#endif
