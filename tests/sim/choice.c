/*
 * tests/sim/choice.c - the choices a crash makes (see disk.h).
 *
 * Drawn from a seed, or gone through one after the other like the digits of a
 * counter.
 */
#include "config.h"

#include "tests/sim/disk.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

void sim_pick_seed(struct sim_pick *p, uint64_t seed)
{
	memset(p, 0, offsetof(struct sim_pick, digit));
	p->state = seed;
	p->bias = 128;
}

void sim_pick_all(struct sim_pick *p)
{
	memset(p, 0, sizeof(*p));
	p->exhaustive = true;
}

bool sim_pick_next(struct sim_pick *p)
{
	while (p->len && p->digit[p->len - 1] + 1 == p->radix[p->len - 1])
		p->len--;
	p->pos = 0;
	if (!p->len)
		return false;
	p->digit[p->len - 1]++;
	return true;
}

/* splitmix64 */
uint64_t sim_random(struct sim_pick *p)
{
	uint64_t z = p->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

unsigned int sim_pick(struct sim_pick *p, unsigned int n)
{
	if (n < 2)
		return 0;
	if (!p->exhaustive)
		return sim_random(p) % n;
	if (p->pos == p->len) {
		if (p->len == sizeof(p->digit) / sizeof(*p->digit)) {
			p->overflow = true;
			return 0;
		}
		p->digit[p->len] = 0;
		p->radix[p->len++] = n;
	}
	return p->digit[p->pos++];
}

bool sim_coin(struct sim_pick *p)
{
	if (p->exhaustive)
		return sim_pick(p, 2);
	return (sim_random(p) & 255) < p->bias;
}
