include_HEADERS += journal/journal.h
libcore_la_SOURCES += \
	journal/attach.c \
	journal/barrier.c \
	journal/caller.c \
	journal/carry.c \
	journal/choice.c journal/choice.h \
	journal/core.c journal/core.h \
	journal/driver.c journal/driver.h \
	journal/engine.c journal/engine.h \
	journal/error.c journal/error.h \
	journal/extents.c journal/extents.h \
	journal/fill.c \
	journal/flight.c \
	journal/follow.c \
	journal/format.c journal/format.h \
	journal/helper.c \
	journal/lock.c journal/lock.h \
	journal/loop.c \
	journal/measured.c journal/measured.h \
	journal/observe.c journal/observe.h \
	journal/open.c \
	journal/raw.c journal/raw.h \
	journal/raw-format.c journal/raw-format.h \
	journal/raw-handle.c journal/raw-impl.h \
	journal/raw-lock.c \
	journal/raw-names.c journal/raw-room.c \
	journal/raw-table.c journal/raw-table.h \
	journal/reader.c journal/reader.h \
	journal/recover.c journal/recover.h \
	journal/recycle.c journal/recycle.h \
	journal/replace.c journal/replace.h \
	journal/reserve.c journal/reserve.h \
	journal/salvage.c journal/salvage.h \
	journal/salvage-runs.c \
	journal/salvage-source.c \
	journal/segment.c journal/segment.h \
	journal/sum-avx2.h \
	journal/stats-file.c journal/stats-file.h \
	journal/stats-read.c \
	journal/thread.c \
	journal/untorn.c journal/untorn.h \
	journal/verify.c \
	journal/view.c journal/view.h \
	journal/wake.c

# One file with other flags than the rest.
if BUILD_AVX2
noinst_LTLIBRARIES += libavx2.la
libavx2_la_SOURCES = journal/sum-avx2.c
libavx2_la_CFLAGS = $(AM_CFLAGS) -mavx2
libcore_la_LIBADD += libavx2.la
endif

lib_LTLIBRARIES += libjournal.la
libjournal_la_SOURCES =
libjournal_la_LIBADD = libcore.la
libjournal_la_LDFLAGS = $(AM_LDFLAGS) -no-undefined \
	-version-info $(LIBJOURNAL_VERSION_INFO) \
	-Wl,--version-script=$(top_srcdir)/journal/libjournal.map
EXTRA_libjournal_la_DEPENDENCIES = journal/libjournal.map
EXTRA_DIST += journal/libjournal.map
pkgconfig_DATA = journal/libjournal.pc

bin_PROGRAMS += journal-tool
journal_tool_SOURCES = \
	journal/tool.c journal/tool.h \
	journal/tool-append.c \
	journal/tool-cat.c \
	journal/tool-common.c \
	journal/tool-holes.c \
	journal/tool-info.c \
	journal/tool-output.c \
	journal/tool-progress.c \
	journal/tool-salvage.c \
	journal/tool-stats.c \
	journal/tool-trim.c \
	journal/tool-verify.c
journal_tool_LDADD = libjournal.la
