/*
 * journal/choice.c - a measured choice, kept with the journal.
 *
 * Lines of "key value", all of them, in this order, and no others: a heading,
 * the library's version, what the machine is known by, the choice, a checksum
 * of everything before it.  Values are printable ASCII without a blank; what
 * is not is written as \xx, two hexadecimal digits.  "-" is unknown.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/choice.h"
#include "journal/error.h"
#include "journal/raw.h"

#define HEADING		"libjournal-choice"
#define FILE_VERSION	"2"
#define VALUE_MAX	512u
#define SUM_DIGITS	16u
#define FILE_MODE	0640

/* What a machine is known by. */
static const struct key {
	const char *fact;
	const char *word;	/* for people */
	bool needed;		/* unknown is no match */
	bool grows;		/* on a raw device it may be more by now */
	bool secret;		/* only a sum of it is written */
} keys[] = {
	{ .fact = "kernel.release", .word = "kernel", .needed = true },
	{ .fact = "fs.type", .word = "file system", .needed = true },
	{ .fact = "fs.mount_source", .word = "mount of" },
	{ .fact = "device.name", .word = "device" },
	{ .fact = "device.stack", .word = "device" },
	{ .fact = "device.size_bytes", .word = "device size", .grows = true },
	{ .fact = "device.write_cache", .word = "write cache" },
	{ .fact = "drive.model", .word = "drive" },
	{ .fact = "drive.firmware", .word = "drive firmware" },
	{ .fact = "drive.serial", .word = "a drive whose serial number has "
	  "the sum", .secret = true },
};

#define KEYS	(sizeof(keys) / sizeof(keys[0]))

/* What may be chosen, as the library writes it. */
static const struct {
	const char *driver, *carrier;
} carriers[] = {
	{ "caller", "pwritev2" },
	{ "thread", "io_uring" },
};

/* ------------------------------------------------------------------------
 * Writing
 */

/* Escaped, and cut off where the room ends: what is compared is cut alike. */
static void escape(char value[VALUE_MAX], const char *s)
{
	char *to = value, *end = value + VALUE_MAX - 4;

	for (; *s && to < end; s++) {
		if (*s > ' ' && *s <= '~' && *s != '\\')
			*to++ = *s;
		else
			to += sprintf(to, "\\%02x", (unsigned char)*s);
	}
	*to = '\0';
}

static void key_value(const journal_probe *p, const struct key *key,
		      char value[VALUE_MAX])
{
	struct journal_fact f;
	char number[24];

	if (journal_probe_fact(p, key->fact, &f) < 0 ||
	    f.state == JOURNAL_FACT_UNKNOWN) {
		(void)strcpy(value, "-");
		return;
	}
	if (key->secret && f.text)
		(void)snprintf(number, sizeof(number), "%016" PRIx64,
			       jnl_checksum(f.text, strlen(f.text), 0));
	else
		(void)snprintf(number, sizeof(number), "%" PRIu64, f.value);
	escape(value, f.text && !key->secret ? f.text : number);
}

static void put_line(FILE *out, const char *key, const char *value)
{
	(void)fprintf(out, "%s %s\n", key, value);
}

static void put_number(FILE *out, const char *key, uint64_t value)
{
	(void)fprintf(out, "%s %" PRIu64 "\n", key, value);
}

char *jnl_choice_format(const journal_probe *p,
			const struct jnl_measured *measured, bool passthrough)
{
	char value[VALUE_MAX], *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	put_line(out, HEADING, FILE_VERSION);
	put_line(out, "library", PACKAGE_VERSION);
	for (size_t i = 0; i < KEYS; i++) {
		key_value(p, &keys[i], value);
		put_line(out, keys[i].fact, value);
	}
	put_number(out, "passthrough", passthrough);
	put_line(out, "method", measured->method);
	put_line(out, "driver", measured->driver);
	put_line(out, "carrier", measured->carrier);
	put_number(out, "alone_ns", measured->alone_ns);
	put_number(out, "many_ns", measured->many_ns);
	if (fflush(out) == 0)
		(void)fprintf(out, "sum %016" PRIx64 "\n",
			      jnl_checksum(text, len, 0));
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

/* The place on a device, over what is there. */
static int write_place(struct jnl_dir *dir, const char *text)
{
	struct jnl_sys *sys = dir->sys;
	size_t len = strlen(text);
	char *place;
	int fd, ret, closed;

	if (len > JNL_CHOICE_MAX)
		return -EFBIG;
	place = calloc(1, JNL_CHOICE_MAX);
	if (!place)
		return -ENOMEM;
	memcpy(place, text, len);
	fd = sys->openat(sys, dir->fd, JNL_CHOICE_NAME, O_WRONLY | O_CLOEXEC,
			 0);
	if (fd < 0) {
		free(place);
		return fd;
	}
	ret = jnl_write_full(sys, fd, place, JNL_CHOICE_MAX, 0, 0, 1);
	if (!ret)
		ret = sys->fsync(sys, fd);
	closed = sys->close(sys, fd);
	free(place);
	return ret ? ret : closed;
}

int jnl_choice_write(struct jnl_dir *dir, const char *text, bool *ret_final)
{
	struct jnl_sys *sys = dir->sys;
	int fd, ret, closed;

	*ret_final = false;
	if (jnl_is_raw(sys))
		return write_place(dir, text);
	ret = sys->unlink(sys, dir->fd, JNL_CHOICE_TMP);
	if (ret < 0 && ret != -ENOENT)
		return ret;
	fd = sys->openat(sys, dir->fd, JNL_CHOICE_TMP, O_WRONLY | O_CREAT |
			 O_EXCL | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
	if (fd < 0)
		return fd;
	ret = jnl_write_full(sys, fd, text, strlen(text), 0, 0, 1);
	if (!ret)
		ret = sys->fsync(sys, fd);
	closed = sys->close(sys, fd);
	if (!ret)
		ret = closed;
	if (!ret)
		ret = jnl_dir_publish(dir, JNL_CHOICE_TMP, JNL_CHOICE_NAME,
				      ret_final);
	if (ret < 0 && !*ret_final)
		(void)sys->unlink(sys, dir->fd, JNL_CHOICE_TMP);
	return ret;
}

/* ------------------------------------------------------------------------
 * Reading
 */

struct reading {
	const char *at, *end;
	char *why;
};

__attribute__((format(printf, 3, 4)))
static int refuse(struct reading *r, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(r->why, JNL_CHOICE_WHY, fmt, ap);
	va_end(ap);
	return err;
}

static int damaged(struct reading *r)
{
	return refuse(r, -EBADMSG, "it is damaged: measure again");
}

/* The value of the next line, which has to be key's. */
static int take(struct reading *r, const char *key, char value[VALUE_MAX])
{
	size_t key_len = strlen(key), left = (size_t)(r->end - r->at), len;
	const char *stop = memchr(r->at, '\n', left);

	if (!stop || (size_t)(stop - r->at) < key_len + 2 ||
	    memcmp(r->at, key, key_len) || r->at[key_len] != ' ')
		return damaged(r);
	len = (size_t)(stop - r->at) - key_len - 1;
	if (len >= VALUE_MAX)
		return damaged(r);
	for (size_t i = 0; i < len; i++) {
		char c = r->at[key_len + 1 + i];

		if (c <= ' ' || c > '~')
			return damaged(r);
		value[i] = c;
	}
	value[len] = '\0';
	r->at = stop + 1;
	return 0;
}

static int take_number(struct reading *r, const char *key, uint64_t *ret)
{
	char value[VALUE_MAX];
	int err = take(r, key, value);
	size_t len;

	if (err)
		return err;
	len = strlen(value);
	/* Years of nanoseconds: more is no time. */
	if (len > 17 || strspn(value, "0123456789") != len)
		return damaged(r);
	*ret = strtoull(value, NULL, 10);
	return 0;
}

/* The last line, and that it is true. */
static int check_sum(struct reading *r, const char *text, size_t len)
{
	const size_t tail = strlen("sum \n") + SUM_DIGITS;
	char line[32];

	if (len <= tail)
		return damaged(r);
	(void)snprintf(line, sizeof(line), "sum %016" PRIx64 "\n",
		       jnl_checksum(text, len - tail, 0));
	if (memcmp(text + len - tail, line, tail))
		return damaged(r);
	r->end = text + len - tail;
	return 0;
}

static int take_heading(struct reading *r)
{
	char value[VALUE_MAX];
	int ret = take(r, HEADING, value);

	if (!ret && strcmp(value, FILE_VERSION))
		ret = refuse(r, -ESTALE, "it is of another version of the "
			     "library: measure again");
	if (!ret)
		ret = take(r, "library", value);
	if (!ret && strcmp(value, PACKAGE_VERSION))
		ret = refuse(r, -ESTALE, "it is for version %.32s of the "
			     "library: measure again", value);
	return ret;
}

/* A size that is at least as large, of a device that has no file system. */
static bool has_grown(const struct key *key, const journal_probe *p,
		      const char *was, const char *now)
{
	size_t a = strlen(was), b = strlen(now);

	return key->grows && jnl_probe_is_raw(p) && a && b &&
	       strspn(was, "0123456789") == a &&
	       strspn(now, "0123456789") == b &&
	       (a < b || (a == b && strcmp(was, now) < 0));
}

/*
 * "kernel 6.1.0, ext4 on /dev/sda1", "kernel 6.1.0, no file system on
 * nvme0n1": enough to know it by.
 */
static void add_machine(struct jnl_kept_choice *kept, size_t i,
			const char *value)
{
	size_t used = strlen(kept->machine);
	char raw[VALUE_MAX];

	escape(raw, JNL_RAW_TYPE);
	if (i > 3 || !strcmp(value, "-") ||
	    (i == 3 && !strstr(kept->machine, ", no file system")))
		return;
	if (!strcmp(value, raw))
		value = "no file system";
	(void)snprintf(kept->machine + used, sizeof(kept->machine) - used,
		       "%s%.60s", i == 0 ? "kernel " : i == 1 ? ", " : " on ",
		       value);
}

static int take_keys(struct reading *r, const journal_probe *p,
		     struct jnl_kept_choice *kept)
{
	char value[VALUE_MAX], now[VALUE_MAX];
	int ret = 0, one;

	/* All of them, also after one that does not match. */
	for (size_t i = 0; i < KEYS; i++) {
		one = take(r, keys[i].fact, value);
		if (one < 0)
			return one;
		add_machine(kept, i, value);
		if (!p || ret)
			continue;
		key_value(p, &keys[i], now);
		if (strcmp(value, now) &&
		    !has_grown(&keys[i], p, value, now))
			ret = refuse(r, -ESTALE, "it is for %s %.64s and this "
				     "is %.64s: measure again", keys[i].word,
				     value, now);
		else if (keys[i].needed && !strcmp(now, "-"))
			ret = refuse(r, -ESTALE, "%s is not known",
				     keys[i].fact);
	}
	return ret;
}

static int take_choice(struct reading *r, struct jnl_kept_choice *kept)
{
	char method[VALUE_MAX], driver[VALUE_MAX], carrier[VALUE_MAX];
	const struct jnl_method *known;
	uint64_t passthrough = 0;
	int ret;

	ret = take_number(r, "passthrough", &passthrough);
	if (!ret)
		ret = take(r, "method", method);
	if (!ret)
		ret = take(r, "driver", driver);
	if (!ret)
		ret = take(r, "carrier", carrier);
	if (!ret)
		ret = take_number(r, "alone_ns", &kept->alone_ns);
	if (!ret)
		ret = take_number(r, "many_ns", &kept->many_ns);
	if (ret)
		return ret;
	known = jnl_method_find(method);
	for (size_t i = 0; i < sizeof(carriers) / sizeof(carriers[0]); i++) {
		if (strcmp(carriers[i].driver, driver) ||
		    strcmp(carriers[i].carrier, carrier))
			continue;
		kept->driver = carriers[i].driver;
		kept->carrier = carriers[i].carrier;
	}
	if (!known || !kept->driver || r->at != r->end || passthrough > 1)
		return damaged(r);
	kept->passthrough = passthrough;
	kept->method = known->name;
	return 0;
}

int jnl_choice_parse(const char *text, size_t len, const journal_probe *p,
		     struct jnl_kept_choice *ret, char why[JNL_CHOICE_WHY])
{
	struct reading r = { .at = text, .why = why };
	struct jnl_kept_choice kept = { 0 };
	int err;

	*why = '\0';
	err = check_sum(&r, text, len);
	if (!err)
		err = take_heading(&r);
	if (!err)
		err = take_keys(&r, p, &kept);
	if (!err)
		err = take_choice(&r, &kept);
	if (!err)
		*ret = kept;
	return err;
}

static int read_all(struct jnl_sys *sys, int fd, char text[JNL_CHOICE_MAX + 1],
		    struct reading *r)
{
	struct stat st;
	ssize_t n;
	int ret = sys->fstat(sys, fd, &st);

	if (ret < 0)
		return refuse(r, ret, "%s", jnl_system_words(ret));
	if (!S_ISREG(st.st_mode))
		return refuse(r, -EBADMSG, "it is not a regular file: remove "
			      "it");
	n = jnl_read_full(sys, fd, text, JNL_CHOICE_MAX + 1, 0);
	if (n < 0)
		return refuse(r, (int)n, "%s", jnl_system_words((int)n));
	/* A device's place is as long as any text could be. */
	if (jnl_is_raw(sys))
		n = (ssize_t)strnlen(text, (size_t)n);
	return n > (ssize_t)JNL_CHOICE_MAX ? damaged(r) : (int)n;
}

int jnl_choice_read(struct jnl_sys *sys, int dirfd, const journal_probe *p,
		    struct jnl_kept_choice *ret, char why[JNL_CHOICE_WHY])
{
	struct reading r = { .why = why };
	char *text;
	int fd, n;

	*why = '\0';
	/* Whatever somebody put there, opening it must not hang. */
	fd = sys->openat(sys, dirfd, JNL_CHOICE_NAME, O_RDONLY | O_CLOEXEC |
			 O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
	if (fd == -ENOENT)
		return fd;
	if (fd < 0)
		return refuse(&r, fd, "%s", jnl_system_words(fd));
	text = malloc(JNL_CHOICE_MAX + 1);
	n = text ? read_all(sys, fd, text, &r) :
		   refuse(&r, -ENOMEM, "%s", jnl_system_words(-ENOMEM));
	(void)sys->close(sys, fd);
	if (n >= 0)
		n = jnl_choice_parse(text, (size_t)n, p, ret, why);
	free(text);
	return n;
}
