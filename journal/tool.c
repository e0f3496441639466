/*
 * journal-tool - append to, read, check, describe and trim a journal.
 *
 * Here: the choice of the command.  Standard descriptors that are closed are
 * opened on /dev/null first, so that no segment can come to lie on number 1
 * and receive what is printed; they are opened the wrong way round, so that
 * using one is still an error.
 */
#include "config.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "journal/tool.h"

static const char help[] =
"Usage: journal-tool COMMAND [OPTION]... DIR\n"
"Work with the append-only journal in the directory, or on the block device,\n"
"DIR.\n"
"\n"
"Commands:\n"
"  append   append the lines of standard input, print each record's LSN\n"
"  cat      print the records\n"
"  verify   read everything and judge it\n"
"  info     say what is known about the journal\n"
"  stats    say what its writer is doing\n"
"  trim     give back the records below an LSN\n"
"  salvage  make a new journal of what is left of a damaged one\n"
"\n"
"'journal-tool COMMAND --help' explains a command.\n"
"\n"
"Options:\n"
"  --help     print this and exit\n"
"  --version  print the version and exit\n"
"\n"
"Exit status: 0 done; 1 damage or loss found; 2 wrong usage or an error.\n";

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "append", jnl_command_append },
	{ "cat", jnl_command_cat },
	{ "info", jnl_command_info },
	{ "salvage", jnl_command_salvage },
	{ "stats", jnl_command_stats },
	{ "trim", jnl_command_trim },
	{ "verify", jnl_command_verify },
};

static int print(const char *text)
{
	struct jnl_out out;

	if (jnl_out_init(&out) < 0) {
		jnl_complain("memory", "not enough of it");
		return JNL_EXIT_ERROR;
	}
	jnl_out_text(&out, text);
	return jnl_out_finish(&out, JNL_EXIT_DONE);
}

static int occupy_standard_descriptors(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		/* The lowest free number is fd: those below are taken. */
		if (open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
			return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	if (occupy_standard_descriptors() < 0)
		return JNL_EXIT_ERROR;
	/* A write to a closed pipe is an error like any other. */
	signal(SIGPIPE, SIG_IGN);

	if (!name)
		return jnl_usage_error(NULL, "no command given");
	if (strcmp(name, "--help") == 0)
		return print(help);
	if (strcmp(name, "--version") == 0)
		return print("journal-tool (libjournal) " PACKAGE_VERSION "\n");
	if (name[0] == '-')
		return jnl_usage_error(NULL, "unknown option '%s'", name);

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(name, commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	return jnl_usage_error(NULL, "unknown command '%s'", name);
}
