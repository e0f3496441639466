/*
 * probe/machine.c - the machine that this process runs on, as a probe asks it.
 *
 * Files of /proc and /sys are not journal data and are read with plain system
 * calls, below a prefix; everything that touches the directory goes through
 * the system-call table.  What is read is handed on as it is.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "lib/compat.h"
#include "probe/machine-impl.h"

#define CHUNK_BYTES	4096

static const char status[] = "/proc/self/status";

/* Below the prefix, and with the descriptor's number for "dir". */
static char *full_path(const struct jnl_machine_linux *l, const char *path)
{
	static const char *const of_dir[] = {
		"/proc/self/fdinfo/", "/proc/self/fd/",
	};
	size_t i, len;
	char *full;
	int ret;

	for (i = 0; i < sizeof(of_dir) / sizeof(of_dir[0]); i++) {
		len = strlen(of_dir[i]);
		if (strncmp(path, of_dir[i], len) || strcmp(path + len, "dir"))
			continue;
		ret = asprintf(&full, "%s%s%d", l->sysroot, of_dir[i],
			       l->dirfd);
		return ret < 0 ? NULL : full;
	}
	ret = asprintf(&full, "%s%s", l->sysroot, path);
	return ret < 0 ? NULL : full;
}

/* Makes room for one more chunk and a NUL, doubling. */
static int grow(char **text, size_t *room, size_t len)
{
	size_t want = *room ? *room * 2 : 2 * CHUNK_BYTES;
	char *more;

	if (*room - len > CHUNK_BYTES)
		return 0;
	more = realloc(*text, want);
	if (!more)
		return -ENOMEM;
	*text = more;
	*room = want;
	return 0;
}

static int read_all(int fd, size_t max, struct jnl_answer *a)
{
	size_t room = 0;
	ssize_t n;
	int ret;

	for (;;) {
		ret = grow(&a->data, &room, a->len);
		if (ret < 0)
			return ret;
		n = read(fd, a->data + a->len, CHUNK_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		a->len += (size_t)n;
		if (a->len > max)
			return -EFBIG;
	}
	a->data[a->len] = '\0';
	return 0;
}

static int ask_file(const char *full, size_t max, struct jnl_answer *a)
{
	int fd, ret;

	fd = open(full, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	ret = read_all(fd, max, a);
	close(fd);
	return ret;
}

static int ask_link(const char *full, size_t max, struct jnl_answer *a)
{
	ssize_t n;

	a->data = malloc(PATH_MAX);
	if (!a->data)
		return -ENOMEM;
	n = readlink(full, a->data, PATH_MAX - 1);
	if (n < 0)
		return -errno;
	if ((size_t)n > max)
		return -EFBIG;
	a->data[n] = '\0';
	a->len = (size_t)n;
	return 0;
}

static int visible(const struct dirent *de)
{
	return strcmp(de->d_name, ".") && strcmp(de->d_name, "..");
}

static int in_byte_order(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int join_names(struct dirent **names, int n, size_t max,
		      struct jnl_answer *a)
{
	size_t len = 0;
	char *at;
	int i;

	for (i = 0; i < n; i++)
		len += strlen(names[i]->d_name) + 1;
	if (len > max)
		return -EFBIG;
	at = a->data = malloc(len + 1);
	if (!at)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		at = stpcpy(at, names[i]->d_name);
		*at++ = '\n';
	}
	*at = '\0';
	a->len = len;
	return 0;
}

static int ask_list(const char *full, size_t max, struct jnl_answer *a)
{
	struct dirent **names;
	int i, n, ret;

	n = scandir(full, &names, visible, in_byte_order);
	if (n < 0)
		return -errno;
	ret = join_names(names, n, max, a);
	for (i = 0; i < n; i++)
		free(names[i]);
	free(names);
	return ret;
}

/* Only the lines that begin with this. */
static void keep_lines(struct jnl_answer *a, const char *begin)
{
	char *at = a->data, *end = a->data + a->len, *to = a->data, *next;
	size_t len = strlen(begin);

	for (; at < end; at = next) {
		next = memchr(at, '\n', (size_t)(end - at));
		next = next ? next + 1 : end;
		if ((size_t)(next - at) < len || memcmp(at, begin, len))
			continue;
		memmove(to, at, (size_t)(next - at));
		to += next - at;
	}
	*to = '\0';
	a->len = (size_t)(to - a->data);
}

static int ask_path(struct jnl_machine_linux *l, enum jnl_question kind,
		    const char *path, size_t max, struct jnl_answer *a)
{
	char *full = full_path(l, path);
	int ret;

	if (!full)
		return -ENOMEM;
	ret = kind == JNL_ASK_FILE ? ask_file(full, max, a) :
	      kind == JNL_ASK_LINK ? ask_link(full, max, a) :
				     ask_list(full, max, a);
	free(full);
	if (ret == 0 && kind == JNL_ASK_FILE && !strcmp(path, status))
		keep_lines(a, "Seccomp");
	return ret;
}

int jnl_machine_format(char **ret_text, const char *fmt, ...)
{
	va_list ap;
	int ret;

	va_start(ap, fmt);
	ret = vasprintf(ret_text, fmt, ap);
	va_end(ap);
	if (ret >= 0)
		return 0;
	*ret_text = NULL;
	return -ENOMEM;
}

static int call_uname(struct jnl_machine_linux *l, char **ret_text)
{
	struct utsname un;

	/* With a prefix it is not this kernel that is asked for. */
	if (*l->sysroot)
		return -ENODATA;
	if (uname(&un) < 0)
		return -errno;
	return jnl_machine_format(ret_text, "release %s\n", un.release);
}

static int call_fstat(struct jnl_machine_linux *l, char **ret_text)
{
	struct stat st;
	int ret;

	ret = l->sys->fstat(l->sys, l->dirfd, &st);
	if (ret < 0)
		return ret;
	return jnl_machine_format(ret_text, "major %u\nminor %u\n%s",
				  major(st.st_dev), minor(st.st_dev),
				  S_ISBLK(st.st_mode) ? "kind block\n" : "");
}

static int call_fstatfs(struct jnl_machine_linux *l, char **ret_text)
{
	struct statfs fs;
	int ret;

	memset(&fs, 0, sizeof(fs));
	ret = l->sys->fstatfs(l->sys, l->dirfd, &fs);
	if (ret < 0)
		return ret;
	return jnl_machine_format(ret_text, "type %u\nbsize %lu\nfrsize %lu\n"
				  "blocks %llu\nbavail %llu\nfiles %llu\n",
				  (unsigned int)fs.f_type,
				  (unsigned long)fs.f_bsize,
				  (unsigned long)fs.f_frsize,
				  (unsigned long long)fs.f_blocks,
				  (unsigned long long)fs.f_bavail,
				  (unsigned long long)fs.f_files);
}

static int call_statx(struct jnl_machine_linux *l, char **ret_text)
{
	struct statx stx;
	int ret;

	memset(&stx, 0, sizeof(stx));
	ret = l->sys->statx(l->sys, l->dirfd, STATX_MNT_ID, &stx);
	if (ret < 0 || !(stx.stx_mask & STATX_MNT_ID))
		return ret;
	return jnl_machine_format(ret_text, "mnt_id %llu\n",
				  (unsigned long long)jnl_statx_mnt_id(&stx));
}

static int call_statx_scratch(struct jnl_machine_linux *l, char **ret_text)
{
	char dio[80] = "", atomic[80] = "";
	struct statx stx;
	int ret;

	if (l->scratch_fd < 0)
		return l->scratch_fd;
	memset(&stx, 0, sizeof(stx));
	ret = l->sys->statx(l->sys, l->scratch_fd,
			    STATX_DIOALIGN | STATX_WRITE_ATOMIC, &stx);
	if (ret < 0)
		return ret;
	if (stx.stx_mask & STATX_DIOALIGN)
		snprintf(dio, sizeof(dio),
			 "dio_mem_align %u\ndio_offset_align %u\n",
			 jnl_statx_dio_mem_align(&stx),
			 jnl_statx_dio_offset_align(&stx));
	if (stx.stx_mask & STATX_WRITE_ATOMIC)
		snprintf(atomic, sizeof(atomic),
			 "atomic_unit_min %u\natomic_unit_max %u\n",
			 jnl_statx_atomic_min(&stx),
			 jnl_statx_atomic_max(&stx));
	return jnl_machine_format(ret_text, "%s%s", dio, atomic);
}

static int call_fstat_scratch(struct jnl_machine_linux *l, char **ret_text)
{
	struct stat st;
	int ret;

	if (l->scratch_fd < 0)
		return l->scratch_fd;
	ret = l->sys->fstat(l->sys, l->scratch_fd, &st);
	if (ret < 0)
		return ret;
	return jnl_machine_format(ret_text, "links %llu\n",
				  (unsigned long long)st.st_nlink);
}

static int call_flags_scratch(struct jnl_machine_linux *l, char **ret_text)
{
	int flags = 0, ret;

	if (l->scratch_fd < 0)
		return l->scratch_fd;
	ret = l->sys->get_flags(l->sys, l->scratch_fd, &flags);
	if (ret < 0)
		return ret;
	return jnl_machine_format(ret_text, "flags %u\n", (unsigned int)flags);
}

static int call_memlock(struct jnl_machine_linux *l, char **ret_text)
{
	struct rlimit limit;

	(void)l;
	if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		return -errno;
	if (limit.rlim_cur == RLIM_INFINITY)
		return jnl_machine_format(ret_text, "soft unlimited\n");
	return jnl_machine_format(ret_text, "soft %llu\n",
				  (unsigned long long)limit.rlim_cur);
}

static const char *file_kind(mode_t mode)
{
	return S_ISREG(mode) ? "file" : S_ISBLK(mode) ? "block" :
	       S_ISCHR(mode) ? "char" : "other";
}

/* Whatever is there: a device node, the file behind a loop device. */
static int call_stat(struct jnl_machine_linux *l, const char *path,
		     char **ret_text)
{
	struct stat st;
	char *full;
	int ret;

	full = full_path(l, path);
	if (!full)
		return -ENOMEM;
	ret = stat(full, &st) < 0 ? -errno : 0;
	free(full);
	if (ret < 0)
		return ret;
	return jnl_machine_format(ret_text, "kind %s\nmajor %u\nminor %u\n"
				  "rmajor %u\nrminor %u\nsize %llu\n",
				  file_kind(st.st_mode), major(st.st_dev),
				  minor(st.st_dev), major(st.st_rdev),
				  minor(st.st_rdev),
				  (unsigned long long)st.st_size);
}

static const struct {
	const char *subject;
	int (*call)(struct jnl_machine_linux *l, char **ret_text);
} calls[] = {
	{ "uname", call_uname },
	{ "fstat", call_fstat },
	{ "fstatfs", call_fstatfs },
	{ "statx", call_statx },
	{ "statx scratch", call_statx_scratch },
	{ "fstat scratch", call_fstat_scratch },
	{ "flags scratch", call_flags_scratch },
	{ "getrlimit memlock", call_memlock },
};

static int ask_call(struct jnl_machine_linux *l, const char *subject,
		    char **ret_text)
{
	size_t i;

	if (!strncmp(subject, "stat /", 6))
		return call_stat(l, subject + 5, ret_text);
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (!strcmp(calls[i].subject, subject))
			return calls[i].call(l, ret_text);
	return -EOPNOTSUPP;
}

/* A text as an answer; none at all is an empty one. */
static int take_text(char *text, size_t max, struct jnl_answer *a)
{
	if (!text)
		text = strdup("");
	a->data = text;
	if (!text)
		return -ENOMEM;
	a->len = strlen(text);
	return a->len > max ? -EFBIG : 0;
}

static int answer(struct jnl_machine_linux *l, enum jnl_question kind,
		  const char *subject, size_t max, struct jnl_answer *a)
{
	char *text = NULL;
	int ret;

	switch (kind) {
	case JNL_ASK_FILE:
	case JNL_ASK_LINK:
	case JNL_ASK_LIST:
		return ask_path(l, kind, subject, max, a);
	case JNL_ASK_CALL:
		ret = ask_call(l, subject, &text);
		break;
	case JNL_ASK_TRY:
		ret = jnl_machine_try(l, subject, &text);
		break;
	case JNL_ASK_NVME:
		return jnl_machine_nvme_page(l, subject, max, a);
	default:
		return -EOPNOTSUPP;
	}
	return ret < 0 ? ret : take_text(text, max, a);
}

static void ask_linux(struct jnl_machine *m, enum jnl_question kind,
		      const char *subject, size_t max,
		      struct jnl_answer *ret_answer)
{
	struct jnl_machine_linux *l = (struct jnl_machine_linux *)m;
	struct jnl_answer a = { .error = 0 };

	a.error = answer(l, kind, subject, max, &a);
	if (a.error < 0) {
		free(a.data);
		a.data = NULL;
		a.len = 0;
	}
	*ret_answer = a;
}

void jnl_machine_linux_init(struct jnl_machine_linux *l, struct jnl_sys *sys,
			    int dirfd, const char *sysroot)
{
	l->machine.ask = ask_linux;
	l->sys = sys;
	l->dirfd = dirfd;
	l->sysroot = sysroot;
	l->scratch_fd = l->direct_fd = -EBADF;
	l->named = false;
	l->libnvme = NULL;
}

void jnl_machine_linux_close(struct jnl_machine_linux *l)
{
	/* What was written is gone with the last descriptor; an error in
	 * closing changes nothing about what was tried. */
	if (l->direct_fd >= 0)
		l->sys->close(l->sys, l->direct_fd);
	if (l->scratch_fd >= 0)
		l->sys->close(l->sys, l->scratch_fd);
	l->scratch_fd = l->direct_fd = -EBADF;
	jnl_machine_nvme_close(l);
}
