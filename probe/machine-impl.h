/*
 * probe/machine-impl.h - what the files of the real machine share.
 *
 * Each function answers questions of one sort: 0 and a text that is the
 * caller's to free (it may stay NULL: there is nothing to say but that it
 * worked), or a negative errno.
 */
#ifndef JNL_PROBE_MACHINE_IMPL_H
#define JNL_PROBE_MACHINE_IMPL_H

#include "probe/machine.h"

/* machine-try.c: everything that is done. */
int jnl_machine_try(struct jnl_machine_linux *l, const char *subject,
		    char **ret_text);

/* machine-ring.c: what stands behind "io_uring ". */
int jnl_machine_ring(struct jnl_machine_linux *l, const char *what,
		     char **ret_text);

/* machine-nvme.c: "nvme_node NAME", "nvme_flush NAME N". */
int jnl_machine_nvme_node(struct jnl_machine_linux *l, const char *name,
			  char **ret_text);
int jnl_machine_nvme_flush(struct jnl_machine_linux *l, const char *what);

/* machine-nvme.c: pages; at most max bytes. */
int jnl_machine_nvme_page(struct jnl_machine_linux *l, const char *subject,
			  size_t max, struct jnl_answer *a);

/* machine-nvme.c: lets go of the library, if it was needed. */
void jnl_machine_nvme_close(struct jnl_machine_linux *l);

/* As asprintf(), but 0 or -ENOMEM. */
__attribute__((format(printf, 2, 3)))
int jnl_machine_format(char **ret_text, const char *fmt, ...);

#endif
