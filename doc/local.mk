dist_doc_DATA =
dist_man_MANS += doc/journal-format.5 doc/journal-tool.1
