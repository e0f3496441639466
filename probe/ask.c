/*
 * probe/ask.c - questions to the machine, and making sense of the answers.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probe/ask.h"

/* sysfs gives one page at most; its attributes are a line. */
#define LINE_MAX_BYTES	4096
#define KEYS_MAX_BYTES	4096

/* As jnl_ask_text(), but an empty text is one. */
static int ask(struct jnl_machine *m, enum jnl_question kind,
	       const char *subject, size_t max, char **ret_text)
{
	struct jnl_answer a = { .error = -ENODATA };

	m->ask(m, kind, subject, max, &a);
	assert(a.error < 0 || a.data);
	if (a.error < 0)
		return a.error;
	if (a.len > max || memchr(a.data, '\0', a.len)) {
		free(a.data);
		return a.len > max ? -EFBIG : -EINVAL;
	}
	*ret_text = a.data;
	return 0;
}

int jnl_ask_text(struct jnl_machine *m, enum jnl_question kind,
		 const char *subject, size_t max, char **ret_text)
{
	char *text;
	int ret;

	ret = ask(m, kind, subject, max, &text);
	if (ret < 0)
		return ret;
	if (!*text) {
		free(text);
		return -ENODATA;
	}
	*ret_text = text;
	return 0;
}

int jnl_ask_line(struct jnl_machine *m, const char *path, char **ret_line)
{
	char *text, *end;
	int ret;

	ret = jnl_ask_text(m, JNL_ASK_FILE, path, LINE_MAX_BYTES, &text);
	if (ret < 0)
		return ret;
	end = strchr(text, '\n');
	if (end && end[1] == '\0')
		*end = '\0';
	else if (end)
		text[0] = '\0';
	if (text[0] == '\0') {
		free(text);
		return -EINVAL;
	}
	*ret_line = text;
	return 0;
}

int jnl_number(const char *s, uint64_t *ret_value)
{
	uint64_t value;
	char *end;

	/* strtoull alone would take blanks and signs. */
	if (s[0] < '0' || s[0] > '9')
		return -EINVAL;
	errno = 0;
	value = strtoull(s, &end, 10);
	if (errno)
		return -ERANGE;
	if (*end)
		return -EINVAL;
	*ret_value = value;
	return 0;
}

int jnl_ask_number(struct jnl_machine *m, const char *path,
		   uint64_t *ret_value)
{
	char *line;
	int ret;

	ret = jnl_ask_line(m, path, &line);
	if (ret < 0)
		return ret;
	ret = jnl_number(line, ret_value);
	free(line);
	return ret;
}

int jnl_ask_keys(struct jnl_machine *m, enum jnl_question kind,
		 const char *subject, char **ret_keys)
{
	return ask(m, kind, subject, KEYS_MAX_BYTES, ret_keys);
}

int jnl_ask_try(struct jnl_machine *m, const char *subject)
{
	char *keys;
	int ret;

	ret = jnl_ask_keys(m, JNL_ASK_TRY, subject, &keys);
	if (ret == 0)
		free(keys);
	return ret;
}

int jnl_key_text(const char *keys, const char *key, char **ret_text)
{
	const char *at = keys, *end;
	size_t len = strlen(key);

	for (; *at; at = *end ? end + 1 : end) {
		end = strchrnul(at, '\n');
		if (strncmp(at, key, len) || at[len] != ' ')
			continue;
		at += len + 1;
		*ret_text = strndup(at, (size_t)(end - at));
		return *ret_text ? 0 : -ENOMEM;
	}
	return -ENODATA;
}

int jnl_key_number(const char *keys, const char *key, uint64_t *ret_value)
{
	char *text;
	int ret;

	ret = jnl_key_text(keys, key, &text);
	if (ret < 0)
		return ret;
	ret = jnl_number(text, ret_value);
	free(text);
	return ret;
}
