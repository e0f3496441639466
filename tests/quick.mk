dist_check_SCRIPTS += tests/quickstart.sh tests/readme.sh
TESTS += tests/quickstart.sh tests/readme.sh
# Needs debootstrap, the network and minutes: run by hand.
EXTRA_DIST += tests/fresh-root.sh tests/packages.sh tests/skips.sh
