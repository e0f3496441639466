libcore_la_SOURCES += \
	lib/compat.h \
	lib/file.c lib/file.h \
	lib/futex.h \
	lib/method.c lib/method.h \
	lib/nvme.c lib/nvme.h \
	lib/ring-setup.c \
	lib/ring.c lib/ring.h lib/ring-impl.h \
	lib/sys.c lib/sys.h
