/*
 * lib/method.c - the table of methods, best first; those on request are last.
 */
#include "config.h"

#include <string.h>

#include "lib/method.h"

static const struct jnl_method methods[] = {
	{
		.name = "direct",
		.summary = "O_DIRECT writes, made durable one by one",
		.needs = JNL_NEED_BARRIER | JNL_NEED_STABLE |
			 JNL_NEED_DIRECT_IO | JNL_NEED_FLUSH,
	},
	{
		.name = "buffered",
		.summary = "writes to the page cache, flushed before they count",
		.needs = JNL_NEED_BARRIER | JNL_NEED_STABLE | JNL_NEED_FLUSH,
	},
	{
		.name = JNL_METHOD_PASSTHROUGH,
		.summary = "O_DIRECT writes, made durable by the drive's Flush",
		.needs = JNL_NEED_BARRIER | JNL_NEED_STABLE |
			 JNL_NEED_DIRECT_IO | JNL_NEED_FLUSH |
			 JNL_NEED_NAMESPACE | JNL_NEED_ONE_CONTROLLER |
			 JNL_NEED_IN_PLACE | JNL_NEED_PASSTHROUGH,
		.on_request = true,
	},
};

const struct jnl_method *jnl_method_at(size_t i)
{
	if (i >= sizeof(methods) / sizeof(methods[0]))
		return NULL;
	return &methods[i];
}

const struct jnl_method *jnl_method_find(const char *name)
{
	const struct jnl_method *m;
	size_t i;

	for (i = 0; (m = jnl_method_at(i)); i++)
		if (!strcmp(m->name, name))
			return m;
	return NULL;
}
