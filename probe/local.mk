include_HEADERS += probe/journal-probe.h
libcore_la_SOURCES += probe/probe.h
bin_PROGRAMS += journal-probe
journal_probe_SOURCES = probe/main.c
journal_probe_LDADD = libjournal.la
