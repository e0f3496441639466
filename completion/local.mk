# Where bash looks, by the name of the program; one file for both.
bashcompletiondir = $(datadir)/bash-completion/completions
dist_bashcompletion_DATA = completion/journal-tool

install-data-hook:
	cd '$(DESTDIR)$(bashcompletiondir)' && \
		rm -f journal-probe && $(LN_S) journal-tool journal-probe
uninstall-hook:
	rm -f '$(DESTDIR)$(bashcompletiondir)/journal-probe'
