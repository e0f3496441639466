/*
 * journal/error.c - errors in words.
 */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "journal/error.h"

int jnl_error(struct journal_error *e, int code, uint64_t lsn,
	      const char *file, const char *format, ...)
{
	va_list ap;

	if (!e)
		return code;
	memset(e, 0, sizeof(*e));
	e->code = code;
	e->lsn = lsn;
	(void)snprintf(e->file, sizeof(e->file), "%s", file ? file : "");
	va_start(ap, format);
	(void)vsnprintf(e->message, sizeof(e->message), format, ap);
	va_end(ap);
	return code;
}

const char *jnl_system_words(int err)
{
	const char *text = strerrordesc_np(err < 0 ? -err : err);

	return text ? text : "unknown error";
}

const char *journal_strerror(int err)
{
	switch (err < 0 ? -err : err) {
	case 0:
		return "success";
	case EBADMSG:
		return "the journal is damaged";
	case ENODATA:
		return "a segment is missing, or lost records are marked";
	case EXDEV:
		return "a segment belongs to another journal";
	case EPROTONOSUPPORT:
		return "the journal was written by a newer version";
	case EBUSY:
		return "another writer has the journal open";
	case ENOENT:
		return "there is no journal";
	case EEXIST:
		return "there is a journal already";
	case EMSGSIZE:
		return "the record is larger than record_max";
	case EOPNOTSUPP:
		return "no method can make a write durable here";
	case EOWNERDEAD:
		return "the journal was opened by the parent of this process";
	case E2BIG:
		return "the options are from a newer version";
	case ERANGE:
		return "the LSN is outside the journal";
	case EFBIG:
		return "the journal has used up its LSNs";
	default:
		return jnl_system_words(err);
	}
}

const char *journal_version(void)
{
	return PACKAGE_VERSION;
}
