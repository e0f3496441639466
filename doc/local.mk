dist_doc_DATA = doc/design.md doc/failure-model doc/lab doc/lab-matrix
dist_man_MANS += doc/journal-format.5 doc/journal-machine.5 \
	doc/journal-tool.1 doc/libjournal.7

include doc/examples/local.mk
