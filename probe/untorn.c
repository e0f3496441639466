/*
 * probe/untorn.c - the largest write that the drive does not tear.
 *
 * drive.untorn_bytes is the drive's own promise for a power cut, of a write
 * that is one command and aligned to its length on the namespace; a power of
 * two, 0 if there is none.  Its source names the rule:
 *
 *   - Without bit 1 of NSFEAT the namespace says nothing, and the controller's
 *     AWUPF is not believed (neither does Linux since 2026): one block.
 *   - NABO is where the boundaries start on the namespace: alignment proves
 *     nothing unless it is 0.
 *   - NAWUPF counts from 0.  A write must not cross a multiple of NABSPF, so
 *     the unit has to divide it.
 *   - What has to be split into several commands is not covered.
 *
 * Whatever of this is not known gives one block at most, and nothing for a
 * drive of which not even the block is known, or that is not straight below.
 */
#include "config.h"

#include <errno.h>

#include "probe/facts.h"

#define NSFEAT_ATOMICS	2u	/* NVM Command Set, Identify Namespace */

static uint64_t value(const journal_probe *p, enum jnl_fact id)
{
	return p->facts[id].value;
}

static uint64_t power_of_two_below(uint64_t v)
{
	uint64_t unit = 1;

	while (unit <= v / 2)
		unit *= 2;
	return unit;
}

/* NULL: the namespace's own numbers count.  Else why it is one block. */
static const char *one_block(const journal_probe *p)
{
	static const enum jnl_fact needed[] = {
		JNL_DRIVE_NSFEAT, JNL_DRIVE_NAWUPF, JNL_DRIVE_NABO,
		JNL_DRIVE_NABSPF,
	};
	size_t i;

	for (i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!jnl_fact_known(p, needed[i]))
			return "one block: the drive could not be asked";
	if (!(value(p, JNL_DRIVE_NSFEAT) & NSFEAT_ATOMICS))
		return "one block: AWUPF is not believed";
	if (value(p, JNL_DRIVE_NABO))
		return "one block: NABO is not 0";
	if (value(p, JNL_DRIVE_NABSPF) &&
	    value(p, JNL_DRIVE_NABSPF) < value(p, JNL_DRIVE_NAWUPF))
		return "one block: NABSPF is less than NAWUPF";
	if (!jnl_fact_known(p, JNL_DEVICE_MAX_HW_BYTES) ||
	    !value(p, JNL_DEVICE_MAX_HW_BYTES))
		return "one block: how long a command may be is not known";
	return NULL;
}

static void set_nvme(journal_probe *p, uint64_t block)
{
	uint64_t most = value(p, JNL_DEVICE_MAX_HW_BYTES), unit, boundary;
	const char *rule = one_block(p);

	if (rule) {
		jnl_fact_number(p, JNL_DRIVE_UNTORN_BYTES,
				JOURNAL_FACT_REPORTED, block, rule);
		return;
	}
	rule = "NAWUPF";
	unit = power_of_two_below((value(p, JNL_DRIVE_NAWUPF) + 1) * block);
	if (unit > most) {
		unit = power_of_two_below(most);
		rule = "device.max_hw_bytes";
	}
	boundary = (value(p, JNL_DRIVE_NABSPF) + 1) * block;
	if (value(p, JNL_DRIVE_NABSPF) && boundary % unit) {
		while (boundary % unit)
			unit /= 2;
		rule = "NABSPF";
	}
	jnl_fact_number(p, JNL_DRIVE_UNTORN_BYTES, JOURNAL_FACT_REPORTED,
			unit > block ? unit : block,
			unit > block ? rule : "one block: NAWUPF");
}

void jnl_prober_untorn(journal_probe *p)
{
	static const enum jnl_fact id = JNL_DRIVE_UNTORN_BYTES;

	/* The kernel had it from the drive (SBC-4, Block Limits). */
	if (jnl_straight_on(p, "scsi") &&
	    jnl_fact_known(p, JNL_DEVICE_ATOMIC_UNIT_MAX))
		jnl_fact_number(p, id, JOURNAL_FACT_REPORTED,
				value(p, JNL_DEVICE_ATOMIC_UNIT_MAX),
				"device.atomic_unit_max");
	else if (!jnl_straight_on(p, "nvme"))
		jnl_fact_unknown(p, id, p->facts[id].error,
				 "nothing is promised");
	else if (!jnl_fact_known(p, JNL_DEVICE_LOGICAL_BLOCK_SIZE))
		jnl_fact_unknown(p, id, -ENODATA,
				 p->facts[JNL_DEVICE_LOGICAL_BLOCK_SIZE].source);
	else
		set_nvme(p, value(p, JNL_DEVICE_LOGICAL_BLOCK_SIZE));
}
