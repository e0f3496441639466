/*
 * journal/tool-common.c - messages and arguments, and what commands that report
 * have in common.
 */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "journal/tool.h"

void jnl_complain(const char *where, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "journal-tool: %s: ", where);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

int jnl_usage_error(const char *command, const char *format, ...)
{
	va_list args;

	fputs("journal-tool: ", stderr);
	if (command)
		fprintf(stderr, "%s: ", command);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, ": try 'journal-tool %s%s--help'\n",
		command ? command : "", command ? " " : "");
	return JNL_EXIT_ERROR;
}

int jnl_exit_code(int err)
{
	switch (-err) {
	case 0:
		return JNL_EXIT_DONE;
	case EBADMSG:
	case ENODATA:
	case EXDEV:
		return JNL_EXIT_DAMAGE;
	default:
		return JNL_EXIT_ERROR;
	}
}

void jnl_complain_file(const char *dir, const char *file, const char *message)
{
	size_t n = strlen(dir);

	/* The message may name either already. */
	if (n && !strncmp(message, dir, n) &&
	    (message[n] == ':' || message[n] == '/'))
		fprintf(stderr, "journal-tool: %s\n", message);
	else if (file[0] && strcmp(file, dir) && !strstr(message, file))
		jnl_complain(dir, "%s: %s", file, message);
	else
		jnl_complain(dir, "%s", message);
}

int jnl_failed(const char *dir, int err, const struct journal_error *error)
{
	if (error && error->message[0])
		jnl_complain_file(dir, error->file, error->message);
	else
		jnl_complain(dir, "%s", journal_strerror(err));
	return jnl_exit_code(err);
}

int jnl_getopt(int argc, char **argv, const struct option *longopts)
{
	int opt;

	opterr = 0;
	opt = getopt_long(argc, argv, ":", longopts, NULL);
	if (opt == ':') {
		jnl_usage_error(argv[0], "option '%s' needs a value",
				argv[optind - 1]);
	} else if (opt == '?') {
		const char *text = argv[optind - 1];

		/* Inside "-xyz" optind does not move on: optopt knows. */
		if (optopt > ' ' && optopt < 0x7f && strncmp(text, "--", 2))
			jnl_usage_error(argv[0], "unknown option '-%c'",
					optopt);
		else if (strchr(text, '=') && optopt)
			jnl_usage_error(argv[0], "option '%s' takes no value",
					text);
		else
			jnl_usage_error(argv[0], "unknown option '%s'", text);
	}
	return opt;
}

const char *jnl_operand_dir(int argc, char **argv)
{
	if (optind == argc) {
		jnl_usage_error(argv[0], "no directory given");
		return NULL;
	}
	if (argc - optind > 1) {
		jnl_usage_error(argv[0], "unexpected argument '%s'",
				argv[optind + 1]);
		return NULL;
	}
	return argv[optind];
}

const char *jnl_finding_name(uint32_t finding)
{
	switch (finding) {
	case JOURNAL_SOUND:
		return "sound";
	case JOURNAL_TAIL:
		return "tail";
	case JOURNAL_BAD_SEGMENT:
		return "bad-segment";
	case JOURNAL_BAD_BATCH:
		return "bad-batch";
	case JOURNAL_LOST:
		return "lost";
	case JOURNAL_MISSING:
		return "missing";
	case JOURNAL_FOREIGN:
		return "foreign";
	case JOURNAL_HOLE:
		return "hole";
	default:
		/* Of a newer library: certainly not "sound". */
		return "unknown";
	}
}

bool jnl_finding_damage(uint32_t finding)
{
	return finding != JOURNAL_SOUND && finding != JOURNAL_TAIL &&
	       finding != JOURNAL_HOLE;
}

/* False: the message is out. */
static bool take_operands(int argc, char **argv, bool two)
{
	if (!two)
		return jnl_operand_dir(argc, argv);
	if (argc - optind == 2)
		return true;
	jnl_usage_error(argv[0], "a journal and a new directory are needed");
	return false;
}

int jnl_report_main(int argc, char **argv, const struct jnl_report_command *c)
{
	static const struct option longopts[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "json", no_argument, NULL, 'j' },
		{ "holes", no_argument, NULL, 'l' },
		{ 0 },
	}, without_holes[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	const struct option *known = c->takes_holes ? longopts : without_holes;
	struct jnl_asked asked = { 0 };
	int code = JNL_EXIT_ERROR, opt;
	struct jnl_out out;

	if (jnl_out_init(&out) < 0) {
		jnl_complain("memory", "not enough of it");
		return JNL_EXIT_ERROR;
	}
	while ((opt = jnl_getopt(argc, argv, known)) == 'j' || opt == 'l') {
		asked.json |= opt == 'j';
		asked.holes |= opt == 'l';
	}
	if (opt == 'h') {
		jnl_out_text(&out, c->help);
		code = JNL_EXIT_DONE;
	} else if (opt == -1 && take_operands(argc, argv, c->takes_two)) {
		asked.operand = argv + optind;
		code = c->run(&out, &asked);
	}
	return jnl_out_finish(&out, code);
}

/* The digits at *text; moves *text behind them. */
static bool parse_digits(const char **text, uint64_t *ret_value)
{
	const char *p = *text;
	uint64_t value = 0;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		unsigned int digit = *p - '0';

		if (value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*text = p;
	*ret_value = value;
	return true;
}

bool jnl_parse_u64(const char *text, uint64_t *ret_value)
{
	uint64_t value;

	if (!parse_digits(&text, &value) || *text)
		return false;
	*ret_value = value;
	return true;
}

bool jnl_parse_size(const char *text, uint64_t *ret_bytes)
{
	static const char units[] = "KMGT";
	uint64_t value;

	if (!parse_digits(&text, &value))
		return false;
	if (*text) {
		const char *unit = strchr(units, *text);
		unsigned int shift;

		if (!unit || text[1])
			return false;
		shift = 10 * (unsigned int)(unit - units + 1);
		if (value > UINT64_MAX >> shift)
			return false;
		value <<= shift;
	}
	*ret_bytes = value;
	return true;
}
