/*
 * probe/signature.c - what is on a block device, as libblkid(3) knows it.
 *
 * The library is loaded when a journal is about to be made on a device, and
 * only then: it is for a message and for what lies where a journal does not
 * look, and no reason for every program to depend on it.  Its interface is
 * that of libblkid.so.1, which has not changed since 2009.
 */
#include "config.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "probe/signature.h"

typedef struct blkid_struct_probe *blkid_probe;

struct blkid {
	void *library;
	blkid_probe (*new_probe)(void);
	void (*free_probe)(blkid_probe pr);
	int (*set_device)(blkid_probe pr, int fd, int64_t offset, int64_t size);
	int (*enable_partitions)(blkid_probe pr, int enable);
	int (*do_probe)(blkid_probe pr);
	int (*lookup)(blkid_probe pr, const char *name, const char **data,
		      size_t *len);
};

/* ISO C has no cast from an object's address to a function's. */
static bool find(struct blkid *b, const char *name, void *to)
{
	void *symbol = dlsym(b->library, name);

	memcpy(to, &symbol, sizeof(symbol));
	return symbol;
}

static bool load(struct blkid *b)
{
	b->library = dlopen("libblkid.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!b->library)
		return false;
	if (find(b, "blkid_new_probe", &b->new_probe) &&
	    find(b, "blkid_free_probe", &b->free_probe) &&
	    find(b, "blkid_probe_set_device", &b->set_device) &&
	    find(b, "blkid_probe_enable_partitions", &b->enable_partitions) &&
	    find(b, "blkid_do_probe", &b->do_probe) &&
	    find(b, "blkid_probe_lookup_value", &b->lookup))
		return true;
	(void)dlclose(b->library);
	return false;
}

/* The first of them that is there; several may be, and one will do. */
static bool look(const struct blkid *b, blkid_probe pr, char *text, size_t size)
{
	static const char *const names[] = { "TYPE", "PTTYPE" };
	const char *data;

	while (b->do_probe(pr) == 0) {
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			if (b->lookup(pr, names[i], &data, NULL))
				continue;
			(void)snprintf(text, size, "%s", data);
			return true;
		}
	}
	return false;
}

bool jnl_signature(int fd, char *text, size_t size)
{
	struct blkid b;
	blkid_probe pr;
	bool found = false;

	if (!load(&b))
		return false;
	pr = b.new_probe();
	if (pr) {
		if (!b.set_device(pr, fd, 0, 0) &&
		    !b.enable_partitions(pr, 1))
			found = look(&b, pr, text, size);
		b.free_probe(pr);
	}
	(void)dlclose(b.library);
	return found;
}
