/*
 * tests/lib/fault.c - a system-call table that counts, and fails on demand.
 */
#include "config.h"

#include <linux/fiemap.h>
#include <string.h>

#include "tests/lib/fault.h"

static const char *const names[] = {
	"openat", "close", "pread", "pwrite", "fsync", "fdatasync", "fallocate",
	"ftruncate", "fadvise", "rename", "unlink", "mkdir", "list", "fstat",
	"statx", "fstatfs", "lock", "get_flags", "set_flags", "clone",
	"fiemap", "nvme_id", "nvme_flush", "device_size", "watch", "random",
	"ring_setup", "ring_enter", "ring_register", "ring_result",
};

const char *fault_name(enum fault_call call)
{
	return call < FAULT_CALLS ? names[call] : "any call";
}

/* Count a call; true if it is to fail. */
static bool hit(struct fault *f, enum fault_call call)
{
	bool fails;

	pthread_mutex_lock(&f->lock);
	f->calls[call]++;
	f->total++;
	fails = f->times && (f->call == call || f->call == FAULT_ANY);
	if (fails && f->at > 1) {
		f->at--;
		fails = false;
	} else if (fails) {
		f->times--;
		f->hit++;
		if (!pthread_equal(pthread_self(), f->asker))
			f->hit_behind++;
	}
	pthread_mutex_unlock(&f->lock);
	return fails;
}

#define FAULT(s) ((struct fault *)(s))
#define BASE(s) (FAULT(s)->base)

static int f_openat(struct jnl_sys *s, int dirfd, const char *name, int flags,
		    mode_t mode)
{
	if (hit(FAULT(s), FAULT_OPENAT))
		return FAULT(s)->err;
	return BASE(s)->openat(BASE(s), dirfd, name, flags, mode);
}

static int f_close(struct jnl_sys *s, int fd)
{
	bool fails = hit(FAULT(s), FAULT_CLOSE);
	int ret = BASE(s)->close(BASE(s), fd);

	/* Linux closes the descriptor even when it reports an error. */
	return fails ? FAULT(s)->err : ret;
}

static ssize_t f_pread(struct jnl_sys *s, int fd, void *buf, size_t len,
		       uint64_t offset, int rwf)
{
	if (hit(FAULT(s), FAULT_PREAD)) {
		if (!FAULT(s)->short_to)
			return FAULT(s)->err;
		if (len > FAULT(s)->short_to)
			len = FAULT(s)->short_to;
	}
	return BASE(s)->pread(BASE(s), fd, buf, len, offset, rwf);
}

static ssize_t f_pwrite(struct jnl_sys *s, int fd, const void *buf, size_t len,
			uint64_t offset, int rwf)
{
	struct fault *f = FAULT(s);
	ssize_t n;

	if (hit(f, FAULT_PWRITE)) {
		if (!f->short_to) {
			if (f->after)
				(void)f->base->pwrite(f->base, fd, buf, len,
						      offset, rwf);
			return f->err;
		}
		if (len > f->short_to)
			len = f->short_to;
	}
	n = f->base->pwrite(f->base, fd, buf, len, offset, rwf);
	if (n > 0) {
		pthread_mutex_lock(&f->lock);
		f->bytes_written += (uint64_t)n;
		pthread_mutex_unlock(&f->lock);
	}
	return n;
}

static int f_fsync(struct jnl_sys *s, int fd)
{
	if (hit(FAULT(s), FAULT_FSYNC)) {
		if (FAULT(s)->after)
			(void)BASE(s)->fsync(BASE(s), fd);
		return FAULT(s)->err;
	}
	return BASE(s)->fsync(BASE(s), fd);
}

static int f_fdatasync(struct jnl_sys *s, int fd)
{
	if (hit(FAULT(s), FAULT_FDATASYNC)) {
		if (FAULT(s)->after)
			(void)BASE(s)->fdatasync(BASE(s), fd);
		return FAULT(s)->err;
	}
	return BASE(s)->fdatasync(BASE(s), fd);
}

#define PASS(CALL, expr) \
	do { \
		if (hit(FAULT(s), CALL)) \
			return FAULT(s)->err; \
		return expr; \
	} while (0)

static int f_fallocate(struct jnl_sys *s, int fd, int mode, uint64_t offset,
		       uint64_t len)
{
	PASS(FAULT_FALLOCATE, BASE(s)->fallocate(BASE(s), fd, mode, offset,
						 len));
}

static int f_ftruncate(struct jnl_sys *s, int fd, uint64_t size)
{
	PASS(FAULT_FTRUNCATE, BASE(s)->ftruncate(BASE(s), fd, size));
}

static int f_fadvise(struct jnl_sys *s, int fd, uint64_t offset, uint64_t len,
		     int advice)
{
	PASS(FAULT_FADVISE, BASE(s)->fadvise(BASE(s), fd, offset, len, advice));
}

static int f_rename(struct jnl_sys *s, int dirfd, const char *from,
		    const char *to)
{
	PASS(FAULT_RENAME, BASE(s)->rename(BASE(s), dirfd, from, to));
}

static int f_unlink(struct jnl_sys *s, int dirfd, const char *name)
{
	PASS(FAULT_UNLINK, BASE(s)->unlink(BASE(s), dirfd, name));
}

static int f_mkdir(struct jnl_sys *s, const char *path, mode_t mode)
{
	PASS(FAULT_MKDIR, BASE(s)->mkdir(BASE(s), path, mode));
}

static int f_list(struct jnl_sys *s, int dirfd, jnl_list_fn fn, void *arg)
{
	PASS(FAULT_LIST, BASE(s)->list(BASE(s), dirfd, fn, arg));
}

static int f_fstat(struct jnl_sys *s, int fd, struct stat *st)
{
	PASS(FAULT_FSTAT, BASE(s)->fstat(BASE(s), fd, st));
}

static int f_statx(struct jnl_sys *s, int fd, unsigned int mask,
		   struct statx *stx)
{
	PASS(FAULT_STATX, BASE(s)->statx(BASE(s), fd, mask, stx));
}

static int f_fstatfs(struct jnl_sys *s, int fd, struct statfs *fs)
{
	PASS(FAULT_FSTATFS, BASE(s)->fstatfs(BASE(s), fd, fs));
}

static int f_lock(struct jnl_sys *s, int fd, int cmd, struct flock *fl)
{
	PASS(FAULT_LOCK, BASE(s)->lock(BASE(s), fd, cmd, fl));
}

static int f_get_flags(struct jnl_sys *s, int fd, int *flags)
{
	PASS(FAULT_GET_FLAGS, BASE(s)->get_flags(BASE(s), fd, flags));
}

static int f_set_flags(struct jnl_sys *s, int fd, int flags)
{
	PASS(FAULT_SET_FLAGS, BASE(s)->set_flags(BASE(s), fd, flags));
}

static int f_fiemap(struct jnl_sys *s, int fd, struct fiemap *map)
{
	if (hit(FAULT(s), FAULT_FIEMAP))
		return FAULT(s)->err;
	if (!FAULT(s)->solid)
		return BASE(s)->fiemap(BASE(s), fd, map);
	map->fm_mapped_extents = 1;
	map->fm_extents[0] = (struct fiemap_extent){
		.fe_logical = map->fm_start,
		.fe_physical = map->fm_start + FAULT(s)->physical,
		.fe_length = map->fm_length,
		.fe_flags = FIEMAP_EXTENT_LAST | FAULT(s)->extent_flags,
	};
	return 0;
}

static int f_clone(struct jnl_sys *s, int fd, int from_fd)
{
	PASS(FAULT_CLONE, BASE(s)->clone(BASE(s), fd, from_fd));
}

static int f_watch(struct jnl_sys *s, int dirfd)
{
	PASS(FAULT_WATCH, BASE(s)->watch(BASE(s), dirfd));
}

static int f_nvme_id(struct jnl_sys *s, int fd)
{
	PASS(FAULT_NVME_ID, BASE(s)->nvme_id(BASE(s), fd));
}

static int f_nvme_flush(struct jnl_sys *s, int fd, uint32_t nsid)
{
	if (hit(FAULT(s), FAULT_NVME_FLUSH)) {
		if (FAULT(s)->after)
			(void)BASE(s)->nvme_flush(BASE(s), fd, nsid);
		return FAULT(s)->err;
	}
	return BASE(s)->nvme_flush(BASE(s), fd, nsid);
}

static int f_device_size(struct jnl_sys *s, int fd, uint64_t *size)
{
	PASS(FAULT_DEVICE_SIZE, BASE(s)->device_size(BASE(s), fd, size));
}

static int f_random(struct jnl_sys *s, void *buf, size_t len)
{
	PASS(FAULT_RANDOM, BASE(s)->random(BASE(s), buf, len));
}

static int f_ring_setup(struct jnl_sys *s, unsigned int entries,
			struct io_uring_params *p)
{
	PASS(FAULT_RING_SETUP, BASE(s)->ring_setup(BASE(s), entries, p));
}

static int f_ring_enter(struct jnl_sys *s, int fd, unsigned int submit,
			unsigned int wait, unsigned int flags)
{
	if (hit(FAULT(s), FAULT_RING_ENTER)) {
		if (FAULT(s)->after)
			(void)BASE(s)->ring_enter(BASE(s), fd, submit, wait,
						  flags);
		return FAULT(s)->err;
	}
	return BASE(s)->ring_enter(BASE(s), fd, submit, wait, flags);
}

static int f_ring_register(struct jnl_sys *s, int fd, unsigned int opcode,
			   const void *arg, unsigned int n)
{
	PASS(FAULT_RING_REGISTER,
	     BASE(s)->ring_register(BASE(s), fd, opcode, arg, n));
}

/* What was done was done: only the answer is another one. */
static int f_ring_result(struct jnl_sys *s, int opcode, int res)
{
	struct fault *f = FAULT(s);

	res = f->base->ring_result(f->base, opcode, res);
	if (!hit(f, FAULT_RING_RESULT))
		return res;
	if (!f->short_to)
		return f->err;
	return res > 0 && (size_t)res > f->short_to ? (int)f->short_to : res;
}

void fault_init(struct fault *f, struct jnl_sys *base)
{
	memset(f, 0, sizeof(*f));
	pthread_mutex_init(&f->lock, NULL);
	f->base = base;
	f->sys = (struct jnl_sys){
		.openat = f_openat, .close = f_close, .pread = f_pread,
		.pwrite = f_pwrite, .fsync = f_fsync,
		.fdatasync = f_fdatasync, .fallocate = f_fallocate,
		.ftruncate = f_ftruncate, .fadvise = f_fadvise,
		.rename = f_rename, .unlink = f_unlink, .mkdir = f_mkdir,
		.list = f_list, .fstat = f_fstat, .statx = f_statx,
		.fstatfs = f_fstatfs, .lock = f_lock,
		.get_flags = f_get_flags, .set_flags = f_set_flags,
		.clone = f_clone, .fiemap = f_fiemap,
		.watch = f_watch, .nvme_id = f_nvme_id, .nvme_flush = f_nvme_flush,
		.device_size = f_device_size,
		.random = f_random, .ring_setup = f_ring_setup,
		.ring_enter = f_ring_enter, .ring_register = f_ring_register,
		.ring_result = f_ring_result,
	};
}

void fault_set(struct fault *f, enum fault_call call, unsigned long at,
	       unsigned long times, int err)
{
	pthread_mutex_lock(&f->lock);
	f->call = call;
	f->at = at;
	f->times = times;
	f->err = err;
	f->hit = 0;
	f->hit_behind = 0;
	f->asker = pthread_self();
	f->short_to = 0;
	f->after = false;
	pthread_mutex_unlock(&f->lock);
}

void fault_clear(struct fault *f)
{
	pthread_mutex_lock(&f->lock);
	f->times = 0;
	pthread_mutex_unlock(&f->lock);
}
