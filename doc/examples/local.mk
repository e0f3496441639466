# Examples.  They are compiled as a user would: the public header by its
# installed name, the shared library and nothing of ours besides.
example_cppflags = -I$(top_srcdir)/journal
example_programs = \
	doc/examples/append \
	doc/examples/event-loop \
	doc/examples/fill \
	doc/examples/follow \
	doc/examples/lookup \
	doc/examples/read \
	doc/examples/kv-server/kv-server
check_PROGRAMS += $(example_programs)

doc_examples_append_SOURCES = doc/examples/append.c
doc_examples_append_CPPFLAGS = $(example_cppflags)
doc_examples_append_LDADD = libjournal.la
doc_examples_event_loop_SOURCES = doc/examples/event-loop.c
doc_examples_event_loop_CPPFLAGS = $(example_cppflags)
doc_examples_event_loop_LDADD = libjournal.la
doc_examples_fill_SOURCES = doc/examples/fill.c
doc_examples_fill_CPPFLAGS = $(example_cppflags)
doc_examples_fill_LDADD = libjournal.la -lpthread
doc_examples_follow_SOURCES = doc/examples/follow.c
doc_examples_follow_CPPFLAGS = $(example_cppflags)
doc_examples_follow_LDADD = libjournal.la
doc_examples_lookup_SOURCES = doc/examples/lookup.c
doc_examples_lookup_CPPFLAGS = $(example_cppflags)
doc_examples_lookup_LDADD = libjournal.la
doc_examples_read_SOURCES = doc/examples/read.c
doc_examples_read_CPPFLAGS = $(example_cppflags)
doc_examples_read_LDADD = libjournal.la

if HAVE_UV
check_PROGRAMS += doc/examples/uv-append
doc_examples_uv_append_SOURCES = doc/examples/uv-append.c
doc_examples_uv_append_CPPFLAGS = $(example_cppflags)
doc_examples_uv_append_CFLAGS = $(AM_CFLAGS) $(UV_CFLAGS)
doc_examples_uv_append_LDADD = libjournal.la $(UV_LIBS)
endif

kv_server_sources = \
	doc/examples/kv-server/client.c doc/examples/kv-server/client.h \
	doc/examples/kv-server/command.c \
	doc/examples/kv-server/listen.c \
	doc/examples/kv-server/main.c \
	doc/examples/kv-server/resp.c doc/examples/kv-server/resp.h \
	doc/examples/kv-server/server.c doc/examples/kv-server/server.h \
	doc/examples/kv-server/snapshot.c doc/examples/kv-server/snapshot.h \
	doc/examples/kv-server/store.c doc/examples/kv-server/store.h \
	doc/examples/kv-server/table.c doc/examples/kv-server/table.h
doc_examples_kv_server_kv_server_SOURCES = $(kv_server_sources)
doc_examples_kv_server_kv_server_CPPFLAGS = $(example_cppflags)
doc_examples_kv_server_kv_server_LDADD = libjournal.la -lpthread

# Sources to read and to start from; whoever has no libuv ships them too.
examplesdir = $(docdir)/examples
dist_examples_DATA = \
	doc/examples/README \
	doc/examples/append.c \
	doc/examples/event-loop.c \
	doc/examples/fill.c \
	doc/examples/follow.c \
	doc/examples/lookup.c \
	doc/examples/read.c \
	doc/examples/uv-append.c
kvexampledir = $(docdir)/examples/kv-server
dist_kvexample_DATA = $(kv_server_sources)
