/*
 * probe/answers.c - what a machine answered, kept.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "probe/answers.h"

static int compare(const void *a, const void *b)
{
	const struct jnl_kept *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return strcmp(x->subject, y->subject);
}

static void drop(void *node)
{
	/* The answers themselves are freed by their list. */
	(void)node;
}

static void free_kept(struct jnl_kept *kept)
{
	if (!kept)
		return;
	free(kept->subject);
	free(kept->data);
	free(kept);
}

void jnl_answers_init(struct jnl_answers *a)
{
	memset(a, 0, sizeof(*a));
}

void jnl_answers_free(struct jnl_answers *a)
{
	size_t i;

	tdestroy(a->index, drop);
	for (i = 0; i < a->count; i++)
		free_kept(a->kept[i]);
	free(a->kept);
	jnl_answers_init(a);
}

/* A copy with a NUL behind it. */
static char *copy(const char *data, size_t len)
{
	char *to = malloc(len + 1);

	if (!to)
		return NULL;
	if (len)
		memcpy(to, data, len);
	to[len] = '\0';
	return to;
}

static bool fits(const struct jnl_answers *a, size_t more)
{
	return more <= JNL_ANSWERS_MAX_BYTES - a->bytes;
}

static int grow(struct jnl_answers *a)
{
	size_t room = a->room ? a->room * 2 : 64;
	struct jnl_kept **more;

	if (a->count == JNL_ANSWERS_MAX)
		return -EFBIG;
	if (a->count < a->room)
		return 0;
	more = realloc(a->kept, room * sizeof(*more));
	if (!more)
		return -ENOMEM;
	a->kept = more;
	a->room = room;
	return 0;
}

static struct jnl_kept *new_kept(enum jnl_question kind, const char *subject,
				 int error, const char *data, size_t len)
{
	struct jnl_kept *kept = calloc(1, sizeof(*kept));

	if (!kept)
		return NULL;
	kept->kind = kind;
	kept->error = error;
	kept->len = len;
	kept->subject = strdup(subject);
	kept->data = error ? NULL : copy(data, len);
	if (!kept->subject || (!error && !kept->data)) {
		free_kept(kept);
		return NULL;
	}
	return kept;
}

int jnl_answers_add(struct jnl_answers *a, enum jnl_question kind,
		    const char *subject, int error, const char *data,
		    size_t len)
{
	size_t subject_len = strlen(subject);
	struct jnl_kept *kept;
	void **node;
	int ret;

	assert(error <= 0);
	if (error)
		len = 0;
	if (jnl_answers_find(a, kind, subject))
		return -EEXIST;
	/* Each sum is bounded before the next is made. */
	if (!fits(a, subject_len) ||
	    len > JNL_ANSWERS_MAX_BYTES - a->bytes - subject_len)
		return -EFBIG;
	ret = grow(a);
	if (ret < 0)
		return ret;
	kept = new_kept(kind, subject, error, data, len);
	if (!kept)
		return -ENOMEM;
	node = tsearch(kept, &a->index, compare);
	if (!node) {
		free_kept(kept);
		return -ENOMEM;
	}
	assert(*node == kept);
	a->kept[a->count++] = kept;
	a->bytes += subject_len + len;
	return 0;
}

const struct jnl_kept *jnl_answers_find(const struct jnl_answers *a,
					enum jnl_question kind,
					const char *subject)
{
	/* The key is only read. */
	struct jnl_kept key = { .kind = kind, .subject = (char *)subject };
	void **node = tfind(&key, &a->index, compare);

	return node ? *node : NULL;
}

int jnl_answers_replace(struct jnl_answers *a, size_t i, int error,
			const char *data, size_t len)
{
	struct jnl_kept *kept = a->kept[i];
	char *new_data = NULL;

	assert(i < a->count && error <= 0);
	if (error)
		len = 0;
	if (len > kept->len && !fits(a, len - kept->len))
		return -EFBIG;
	if (!error) {
		new_data = copy(data, len);
		if (!new_data)
			return -ENOMEM;
	}
	free(kept->data);
	kept->data = new_data;
	kept->error = error;
	a->bytes = a->bytes - kept->len + len;
	kept->len = len;
	return 0;
}

void jnl_answers_fail(struct jnl_answers *a, enum jnl_question kind,
		      const char *subject, int error)
{
	struct jnl_kept *kept;

	/* Found, it is the very object; const is for those outside. */
	kept = (struct jnl_kept *)jnl_answers_find(a, kind, subject);
	assert(kept && error < 0);
	a->bytes -= kept->len;
	free(kept->data);
	kept->data = NULL;
	kept->len = 0;
	kept->error = error;
}

void jnl_answers_give(const struct jnl_kept *kept, size_t max,
		      struct jnl_answer *ret_answer)
{
	memset(ret_answer, 0, sizeof(*ret_answer));
	ret_answer->error = kept->error;
	if (kept->error)
		return;
	if (kept->len > max) {
		ret_answer->error = -EFBIG;
		return;
	}
	ret_answer->data = copy(kept->data, kept->len);
	if (!ret_answer->data) {
		ret_answer->error = -ENOMEM;
		return;
	}
	ret_answer->len = kept->len;
}
