/*
 * probe/mask.h - serial numbers out of a dump.
 *
 * What tells one drive from all others goes: serial numbers, WWNs, UUIDs, the
 * tails of NVMe names, wherever they stand, also in paths.  Each is replaced
 * by as many x with its number at the end, the same everywhere, so that what
 * was equal stays equal, what was different stays different, and links still
 * lead where they led.  Names that people give (hosts, mount points, volumes)
 * are left alone.
 */
#ifndef JNL_PROBE_MASK_H
#define JNL_PROBE_MASK_H

#include "probe/answers.h"

/*
 * Fills masked, which is empty, with the answers of a, and masks path in
 * place.  -EFBIG: more serial numbers than there are masks; -ENOMEM.  masked is
 * to be freed in any case.
 */
int jnl_mask_answers(const struct jnl_answers *a, char *path,
		     struct jnl_answers *masked);

#endif
