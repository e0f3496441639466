/*
 * probe/mask.c - serial numbers out of a dump.
 *
 * First all answers are looked through for what is secret: by the place where
 * it stands (a field of an identify page, a file called "serial") or by its
 * form (a UUID, a WWN, an NVMe name).  Then each of these is replaced wherever
 * it occurs, since a drive's serial number is part of other names too.
 * Longer ones go first: one may contain another.
 *
 * Offsets in identify pages: NVM Express Base Specification, Identify
 * Controller and Identify Namespace data structures.
 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/mask.h"

#define CTRL_SN		4u	/* 20 bytes of ASCII */
#define CTRL_SN_LEN	20u
#define CTRL_FGUID	112u
#define CTRL_SUBNQN	768u	/* UTF-8 up to a NUL */
#define CTRL_SUBNQN_LEN	256u
#define NS_NGUID	104u
#define NS_EUI64	120u

/* Shorter ones are too likely to be found in what is none. */
#define SECRET_MIN	6u
/* Room for a number in the shortest one. */
#define SECRETS_MAX	9999u

#define UUID_LEN	36u
/* Digits of a WWN after its "0x" or "naa.", and of one that stands alone.
 * What is longer is a hash: somebody's name for a container. */
#define WWN_MIN		16u
#define WWN_ALONE_MIN	32u
#define WWN_MAX		40u

struct secret {
	char *text;
	size_t len;
	unsigned int number;
};

struct secrets {
	struct secret *list;
	size_t count, room;
	int error;
};

static bool same(const char *a, const char *b, size_t len)
{
	return !strncasecmp(a, b, len);
}

static void learn(struct secrets *s, const char *text, size_t len)
{
	struct secret *more;
	size_t i;

	while (len && isspace((unsigned char)text[len - 1]))
		len--;
	while (len && isspace((unsigned char)*text)) {
		text++;
		len--;
	}
	if (len < SECRET_MIN || s->error || memchr(text, '\0', len))
		return;
	for (i = 0; i < s->count; i++)
		if (s->list[i].len == len && same(s->list[i].text, text, len))
			return;
	if (s->count == SECRETS_MAX) {
		s->error = -EFBIG;
		return;
	}
	if (s->count == s->room) {
		s->room = s->room ? 2 * s->room : 16;
		more = realloc(s->list, s->room * sizeof(*more));
		if (!more) {
			s->error = -ENOMEM;
			return;
		}
		s->list = more;
	}
	s->list[s->count].text = strndup(text, len);
	if (!s->list[s->count].text) {
		s->error = -ENOMEM;
		return;
	}
	s->list[s->count].len = len;
	s->list[s->count].number = (unsigned int)s->count + 1;
	s->count++;
}

static void free_secrets(struct secrets *s)
{
	size_t i;

	for (i = 0; i < s->count; i++)
		free(s->list[i].text);
	free(s->list);
}

static size_t hex_run(const char *s, const char *end)
{
	const char *at = s;

	while (at < end && isxdigit((unsigned char)*at))
		at++;
	return (size_t)(at - s);
}

/* Does a UUID begin at s?  8-4-4-4-12 digits. */
static bool is_uuid(const char *s, const char *end)
{
	static const size_t runs[] = { 8, 4, 4, 4, 12 };
	size_t i;

	for (i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		if (i && (s == end || *s++ != '-'))
			return false;
		if (hex_run(s, end) != runs[i])
			return false;
		s += runs[i];
	}
	return true;
}

/* Does what stands before s say that a WWN follows? */
static bool after_wwn_word(const char *begin, const char *s)
{
	static const char *const words[] = { "0x", "eui.", "naa.", "wwn-" };
	size_t i, len;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		len = strlen(words[i]);
		if ((size_t)(s - begin) >= len && same(s - len, words[i], len))
			return true;
	}
	return false;
}

/* "nqn.2014-08.org.nvmexpress:..." at s: what follows the colon, to the end of
 * the line, is one drive's.  Returns how much was read. */
static size_t learn_nqn(struct secrets *s, const char *at, const char *end)
{
	const char *stop = at, *colon;

	while (stop < end && (unsigned char)*stop >= 0x20)
		stop++;
	colon = memchr(at, ':', (size_t)(stop - at));
	if (colon)
		learn(s, colon + 1, (size_t)(stop - colon - 1));
	return (size_t)(stop - at);
}

static void learn_forms(struct secrets *s, const char *text, size_t len)
{
	const char *at = text, *end = text + len;
	size_t n;

	while (at < end) {
		if (end - at > 4 && same(at, "nqn.", 4)) {
			at += learn_nqn(s, at, end);
			continue;
		}
		n = hex_run(at, end);
		if (!n) {
			at++;
			continue;
		}
		if (n == 8 && is_uuid(at, end)) {
			learn(s, at, UUID_LEN);
			n = UUID_LEN;
		} else if (n <= WWN_MAX &&
			   n >= (after_wwn_word(text, at) ? WWN_MIN :
							    WWN_ALONE_MIN)) {
			learn(s, at, n);
		}
		at += n;
	}
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Files that hold nothing but what tells a drive from all others. */
static bool is_serial_file(const struct jnl_kept *k)
{
	static const char *const names[] = {
		"serial", "wwid", "uuid", "nguid", "eui", "subsysnqn",
		"hostnqn", "hostid", "vpd_pg80", "vpd_pg83", "cid",
	};
	const char *base = base_name(k->subject);
	size_t i;

	if (k->kind != JNL_ASK_FILE)
		return false;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(names[i], base))
			return true;
	return false;
}

/*
 * Device mapper's uuid begins with words that say what the device is: "LVM-",
 * "CRYPT-LUKS2-", "part1-mpath-".  They are kept.
 */
static size_t kind_words(const char *text, size_t len)
{
	size_t kept = 0, i;
	bool letter;

	for (i = 0, letter = false; i < len; i++) {
		char c = text[i];

		if (c == '-' && (letter || !strncmp(text + kept, "mpath-", 6) ||
				 !strncmp(text + kept, "part", 4))) {
			kept = i + 1;
			letter = false;
		} else if (i == kept && c >= 'A' && c <= 'Z') {
			letter = true;
		} else if (c >= 'a' && c <= 'z') {
			letter = false;
		}
	}
	return kept;
}

static size_t skip_words(const struct jnl_kept *k)
{
	return strcmp(base_name(k->subject), "uuid") ? 0 :
						kind_words(k->data, k->len);
}

static bool is_page(const struct jnl_kept *k, const char *name)
{
	return k->kind == JNL_ASK_NVME &&
	       !strncmp(k->subject, name, strlen(name));
}

static const char controller[] = "identify-controller ";
static const char namespace[] = "identify-namespace ";

static void learn_page(struct secrets *s, const struct jnl_kept *k)
{
	const char *nqn = k->data + CTRL_SUBNQN;

	if (!is_page(k, controller))
		return;
	if (k->len >= CTRL_SN + CTRL_SN_LEN)
		learn(s, k->data + CTRL_SN, CTRL_SN_LEN);
	if (k->len >= CTRL_SUBNQN + CTRL_SUBNQN_LEN)
		learn_forms(s, nqn, strnlen(nqn, CTRL_SUBNQN_LEN));
}

/* Numbers are the answer, in which digits could be taken for a serial's. */
static bool is_numbers(const struct jnl_kept *k)
{
	return k->kind == JNL_ASK_CALL || k->kind == JNL_ASK_TRY;
}

static void learn_answer(struct secrets *s, const struct jnl_kept *k)
{
	size_t skip;

	learn_forms(s, k->subject, strlen(k->subject));
	if (k->error || is_numbers(k))
		return;
	if (k->kind == JNL_ASK_NVME) {
		learn_page(s, k);
		return;
	}
	if (is_serial_file(k)) {
		skip = skip_words(k);
		learn(s, k->data + skip, k->len - skip);
	}
	learn_forms(s, k->data, k->len);
}

static void cover(char *to, size_t len, unsigned int number)
{
	char digits[8];
	size_t n;

	memset(to, 'x', len);
	n = (size_t)snprintf(digits, sizeof(digits), "%u", number);
	if (n < len)
		memcpy(to + len - n, digits, n);
}

static void replace(const struct secrets *s, char *text, size_t len)
{
	size_t i, at;

	for (i = 0; i < s->count; i++) {
		const struct secret *one = &s->list[i];

		for (at = 0; len >= one->len && at <= len - one->len; at++) {
			if (!same(text + at, one->text, one->len))
				continue;
			cover(text + at, one->len, one->number);
			at += one->len - 1;
		}
	}
}

/* Bytes that are no text; all zeros mean that there is none. */
static void blot(struct jnl_kept *k, size_t at, size_t len)
{
	size_t i;

	if (k->len < at + len)
		return;
	for (i = 0; i < len; i++) {
		if (k->data[at + i]) {
			memset(k->data + at, 'x', len);
			return;
		}
	}
}

/* What was too short to be looked for elsewhere still goes where it stands. */
static void cover_rest(char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (isalnum((unsigned char)text[i]))
			text[i] = 'x';
}

static void cover_short(struct jnl_kept *k, size_t at, size_t len)
{
	size_t begin = at, end = at + len;

	if (k->len < end)
		return;
	while (begin < end && isspace((unsigned char)k->data[begin]))
		begin++;
	while (end > begin && isspace((unsigned char)k->data[end - 1]))
		end--;
	if (end - begin < SECRET_MIN)
		cover_rest(k->data + begin, end - begin);
}

static void mask(const struct secrets *s, struct jnl_kept *k)
{
	size_t skip;

	if (k->error || is_numbers(k))
		return;
	if (is_serial_file(k)) {
		skip = skip_words(k);
		cover_short(k, skip, k->len - skip);
	}
	if (is_page(k, controller)) {
		cover_short(k, CTRL_SN, CTRL_SN_LEN);
		blot(k, CTRL_FGUID, 16);
	}
	if (is_page(k, namespace)) {
		blot(k, NS_NGUID, 16);
		blot(k, NS_EUI64, 8);
	}
	replace(s, k->data, k->len);
}

static int longest_first(const void *a, const void *b)
{
	const struct secret *x = a, *y = b;

	if (x->len != y->len)
		return x->len > y->len ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

static int add_masked(const struct secrets *s, const struct jnl_kept *k,
		      struct jnl_answers *masked)
{
	char *subject = strdup(k->subject);
	int ret;

	if (!subject)
		return -ENOMEM;
	replace(s, subject, strlen(subject));
	ret = jnl_answers_add(masked, k->kind, subject, k->error, k->data,
			      k->len);
	free(subject);
	if (ret == 0)
		mask(s, masked->kept[masked->count - 1]);
	return ret;
}

int jnl_mask_answers(const struct jnl_answers *a, char *path,
		     struct jnl_answers *masked)
{
	struct secrets s = { .error = 0 };
	size_t i;
	int ret;

	for (i = 0; i < a->count; i++)
		learn_answer(&s, a->kept[i]);
	learn_forms(&s, path, strlen(path));
	ret = s.error;
	if (s.count)
		qsort(s.list, s.count, sizeof(*s.list), longest_first);
	replace(&s, path, strlen(path));
	for (i = 0; i < a->count && ret == 0; i++)
		ret = add_masked(&s, a->kept[i], masked);
	free_secrets(&s);
	return ret;
}
