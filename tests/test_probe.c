/*
 * tests/test_probe.c - the probe: its facts and its ranking.
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>

#include "tests/probe/fake.h"

int main(void)
{
	Suite *s = suite_create("probe");
	TCase *t = tcase_create("probe");
	/* Some ten thousand probes, minutes under valgrind. */
	TCase *promises = tcase_create("promises");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	add_tries_tests(t);
	add_mount_tests(t);
	add_device_tests(t);
	add_layers_tests(t);
	add_kernel_tests(t);
	add_nvme_tests(t);
	add_rank_tests(t);
	suite_add_tcase(s, t);
	tcase_add_checked_fixture(promises, setup, teardown);
	tcase_set_timeout(promises, 600);
	add_property_tests(promises);
	suite_add_tcase(s, promises);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
