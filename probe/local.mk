include_HEADERS += probe/journal-probe.h
libcore_la_SOURCES += \
	probe/ask.c probe/ask.h \
	probe/device.c \
	probe/facts.c probe/facts.h \
	probe/fs.c \
	probe/kernel.c \
	probe/machine.c probe/machine.h \
	probe/machine-try.c \
	probe/mount.c \
	probe/probe.c probe/probe.h \
	probe/rank.c \
	probe/stable.c \
	probe/tries.c

bin_PROGRAMS += journal-probe
journal_probe_SOURCES = \
	probe/json.c \
	probe/main.c \
	probe/screen.c \
	probe/show.h
journal_probe_LDADD = libjournal.la
dist_man_MANS += doc/journal-probe.1
