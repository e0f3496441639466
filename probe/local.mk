include_HEADERS += probe/journal-probe.h
libcore_la_SOURCES += \
	probe/answers.c probe/answers.h \
	probe/ask.c probe/ask.h \
	probe/carrier.c \
	probe/device.c \
	probe/dump.c probe/dump.h \
	probe/dump-read.c probe/dump-text.h \
	probe/facts.c probe/facts.h \
	probe/fs.c \
	probe/histogram.c probe/histogram.h \
	probe/identify.c \
	probe/in-place.c \
	probe/io_uring.c \
	probe/kernel.c \
	probe/layers.c \
	probe/machine.c probe/machine.h \
	probe/machine-impl.h \
	probe/machine-nvme.c \
	probe/machine-ring.c \
	probe/machine-try.c \
	probe/mask.c probe/mask.h \
	probe/measure.c probe/measure.h \
	probe/measure-file.c \
	probe/measure-hop.c \
	probe/measure-inner.h \
	probe/measure-judge.c \
	probe/measure-slice.c \
	probe/mount.c \
	probe/needs.c probe/needs.h \
	probe/nvme.c \
	probe/probe.c probe/probe.h \
	probe/public.c \
	probe/rank.c \
	probe/raw.c probe/raw.h \
	probe/record.c probe/record.h \
	probe/replay.c probe/replay.h \
	probe/signature.c probe/signature.h \
	probe/stable.c \
	probe/tries.c \
	probe/untorn.c

# What draws a probe, also for who tests it.
probe_show_sources = \
	probe/json.c \
	probe/look.c probe/look.h \
	probe/screen.c \
	probe/screen-facts.c \
	probe/show.h

bin_PROGRAMS += journal-probe
journal_probe_SOURCES = \
	probe/main.c \
	probe/main-dump.c probe/main-dump.h \
	probe/timing.c probe/timing.h \
	probe/timing-screen.c \
	$(probe_show_sources)
# The measurement is not public: the program has the library within.
journal_probe_LDADD = libcore.la
dist_man_MANS += doc/journal-probe.1
