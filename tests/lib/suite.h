/*
 * tests/lib/suite.h - the main() of a check program.
 *
 * A test's limit of time is for what hangs, and not for what is slow: a machine
 * that does other things besides, or a disk that does, is let take many times
 * as long.
 */
#ifndef TESTS_LIB_SUITE_H
#define TESTS_LIB_SUITE_H

#include <check.h>
#include <stdlib.h>

#define PATIENCE_TIMES	5

/* setup and teardown, around every test, may be NULL. */
static inline int run_suite_with(const char *name, const TTest *const *tests,
				 size_t n, double timeout_s,
				 void (*setup)(void), void (*teardown)(void))
{
	Suite *s = suite_create(name);
	TCase *tc = tcase_create(name);
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, PATIENCE_TIMES * timeout_s);
	if (setup)
		tcase_add_checked_fixture(tc, setup, teardown);
	for (size_t i = 0; i < n; i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

static inline int run_suite(const char *name, const TTest *const *tests,
			    size_t n, double timeout_s)
{
	return run_suite_with(name, tests, n, timeout_s, NULL, NULL);
}

#define RUN_SUITE_WITH(name, timeout_s, setup, teardown, ...) \
	int main(void) \
	{ \
		const TTest *const tests[] = { __VA_ARGS__ }; \
		return run_suite_with(name, tests, \
				      sizeof(tests) / sizeof(tests[0]), timeout_s, \
				      setup, teardown); \
	}
#define RUN_SUITE(name, timeout_s, ...) \
	RUN_SUITE_WITH(name, timeout_s, NULL, NULL, __VA_ARGS__)

#endif
