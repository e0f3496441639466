# The lab: guests with real NVMe drives, see tests/lab/run.sh.
EXTRA_DIST += tests/lab/guest.sh tests/lab/init.sh tests/lab/run.sh \
	tests/lab/setup.sh
