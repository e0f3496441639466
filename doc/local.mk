dist_doc_DATA =
dist_man_MANS += doc/journal-tool.1
