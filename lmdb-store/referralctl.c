/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * referralctl, the command line of a referral store: options and commands.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "referralctl.h"

/* last: its name for the version is one of the store's outcomes */

#include "referral_version.h"


/* Options that a command takes. */

#define CTL_TAKES_JSON     0x01
#define CTL_TAKES_DRY_RUN  0x02
#define CTL_TAKES_CSV      0x04

typedef struct {
    const char     *name;
    const char     *usage;
    int             min;
    int             max;
    unsigned        takes;
    ctl_rc_t      (*run)(const ctl_args_t *args);
} ctl_command_t;

/* Values of long options; beyond those of characters. */

enum {
    CTL_JSON = 256,
    CTL_DRY_RUN,
    CTL_CSV,
    CTL_HELP,
    CTL_VERSION
};


static void ctl_standard(void);
static int ctl_options(int argc, char **argv, ctl_args_t *args);
static ctl_rc_t ctl_run(int argc, char **argv, ctl_args_t *args);
static const ctl_command_t *ctl_find(const char *name);
static ctl_rc_t ctl_no_command(const char *name);
static ctl_rc_t ctl_end(ctl_rc_t rc);


static const ctl_command_t  ctl_commands[] = {
    { "stat", "DIR [--json]", 1, 1, CTL_TAKES_JSON, ctl_stat },
    { "verify", "DIR [--json]", 1, 1, CTL_TAKES_JSON, ctl_verify },
    { "rebuild", "DIR [--json]", 1, 1, CTL_TAKES_JSON, ctl_rebuild },
    { "backup", "DIR TARGET [--json]", 2, 2, CTL_TAKES_JSON, ctl_backup },
    { "compact", "DIR [--json]", 1, 1, CTL_TAKES_JSON, ctl_compact },
    { "purge", "DIR PROGRAM TIME [--json]", 3, 3, CTL_TAKES_JSON, ctl_purge },
    { "import", "codes|conversions DIR PROGRAM FILE [--dry-run] [--json]", 4,
      4, CTL_TAKES_JSON|CTL_TAKES_DRY_RUN, ctl_import },
    { "export", "codes|conversions|rewards|counters|journal DIR PROGRAM "
      "[--csv]", 3, 3, CTL_TAKES_CSV, ctl_export },
    { "erase", "DIR PROGRAM PERSON [--json]", 3, 3, CTL_TAKES_JSON,
      ctl_erase },
    { "keygen", "[KID] [FILE]", 0, 2, 0, ctl_keygen },
    { "token", "NAME SCOPE [FILE]", 2, 3, 0, ctl_token }
};

#define CTL_COMMANDS  (sizeof(ctl_commands) / sizeof(ctl_commands[0]))

static const char *const  ctl_help[] = {
    "usage: referralctl COMMAND [ARGUMENT ...] [OPTION ...]",
    "",
    "  stat DIR                 what the store in DIR is and holds",
    "  verify DIR               recount the journal, compare with every "
        "counter",
    "  rebuild DIR              recount, and make every counter what the "
        "journal says",
    "  backup DIR TARGET        copy the store to the directory TARGET, which "
        "is new",
    "                           or empty",
    "  compact DIR              give space that is not used back to the file "
        "system",
    "  purge DIR PROGRAM TIME   delete clicks older than TIME, as 90d; what "
        "they",
    "                           counted stays",
    "  import codes DIR PROGRAM FILE",
    "                           make or change the codes in FILE, one JSON "
        "object a",
    "                           line as in POST /v1/codes",
    "  import conversions DIR PROGRAM FILE",
    "                           take the orders in FILE, one JSON object a "
        "line as in",
    "                           POST /v1/conversions, at the time in their "
        "occurred_at;",
    "                           orders that are there already are duplicates",
    "  export codes|conversions|rewards|counters|journal DIR PROGRAM",
    "                           print all of them, one JSON object a line",
    "  erase DIR PROGRAM PERSON",
    "                           forget a person: a pseudonym takes the place "
        "of the id",
    "                           PERSON of an owner and customer",
    "  keygen [KID] [FILE]      a new line for a referral_key_file, in FILE, "
        "which",
    "                           must not exist, or on standard output; KID is "
        "k1",
    "                           if not given",
    "  token NAME SCOPE [FILE]  a new token of the endpoint, and its line for "
        "a",
    "                           token_file, added to FILE or printed; SCOPE "
        "is",
    "                           read, write or admin",
    "",
    "  --json                   print the result as a JSON object",
    "  --dry-run                import: check every line, write nothing",
    "  --csv                    export: CSV for spreadsheets, with a header",
    "  --help                   print this",
    "  --version                print the version",
    "",
    "FILE of import may be \"-\" for standard input, and CSV with a header as "
        "export",
    "writes it.  All commands may run beside nginx; as root they act as the "
        "owner of",
    "DIR.  See referralctl(8).",
    "",
    "Exit status: 0 done, and nothing found; 1 verify found differences, or "
        "import",
    "refused lines; 2 could not run, or not to the end."
};


int
main(int argc, char **argv)
{
    size_t      i;
    ctl_args_t  args;

    memset(&args, 0, sizeof(ctl_args_t));
    ctl_standard();

    switch (ctl_options(argc, argv, &args)) {

    case -1:
        return CTL_FAILED;

    case CTL_HELP:
        for (i = 0; i < sizeof(ctl_help) / sizeof(ctl_help[0]); i++) {
            (void) puts(ctl_help[i]);
        }

        return ctl_end(CTL_OK);

    case CTL_VERSION:
        (void) puts("referralctl " REFERRAL_VERSION);
        return ctl_end(CTL_OK);
    }

    return ctl_end(ctl_run(argc - optind, argv + optind, &args));
}


/*
 * With standard output closed, the store would get its number, and what is
 * printed.  Nothing can be written to a file that was opened for reading.
 */

static void
ctl_standard(void)
{
    int  fd;

    do {
        fd = open("/dev/null", O_RDONLY|O_CLOEXEC);
    } while (fd >= 0 && fd <= STDERR_FILENO);

    if (fd >= 0) {
        (void) close(fd);
    }
}


/* 0, the option that stands for a command, or -1. */

static int
ctl_options(int argc, char **argv, ctl_args_t *args)
{
    int          c, command;
    char         name[3];
    const char  *word;

    static const struct option  options[] = {
        { "json", no_argument, NULL, CTL_JSON },
        { "dry-run", no_argument, NULL, CTL_DRY_RUN },
        { "csv", no_argument, NULL, CTL_CSV },
        { "help", no_argument, NULL, CTL_HELP },
        { "version", no_argument, NULL, CTL_VERSION },
        { NULL, 0, NULL, 0 }
    };

    command = 0;
    opterr = 0;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {

        if (c == CTL_JSON) {
            args->json = 1;

        } else if (c == CTL_DRY_RUN) {
            args->dry_run = 1;

        } else if (c == CTL_CSV) {
            args->csv = 1;

        } else if (c != '?') {
            command = command ? command : c;

        } else {
            word = argv[optind - 1];
            (void) snprintf(name, sizeof(name), "-%c", optopt);

            /* a word like "-1d" is not passed at its first letter */

            if (optopt > 0 && optopt < CTL_JSON && strcmp(word, name) != 0) {
                word = argv[optind];
            }

            (void) ctl_fail("unknown option \"%s\", see --help", word);
            return -1;
        }
    }

    return command;
}


static ctl_rc_t
ctl_run(int argc, char **argv, ctl_args_t *args)
{
    int                   i;
    unsigned              given;
    const ctl_command_t  *command;

    command = (argc != 0) ? ctl_find(argv[0]) : NULL;

    if (command == NULL) {
        return ctl_no_command(argc ? argv[0] : NULL);
    }

    argc--;

    given = (args->json ? CTL_TAKES_JSON : 0)
            | (args->dry_run ? CTL_TAKES_DRY_RUN : 0)
            | (args->csv ? CTL_TAKES_CSV : 0);

    if (argc < command->min || argc > command->max
        || (given & ~command->takes) != 0)
    {
        return ctl_fail("usage: referralctl %s %s", command->name,
                        command->usage);
    }

    for (i = 0; i < argc; i++) {
        args->words[i] = argv[i + 1];
    }

    return command->run(args);
}


static const ctl_command_t *
ctl_find(const char *name)
{
    size_t  i;

    for (i = 0; i < CTL_COMMANDS; i++) {
        if (strcmp(ctl_commands[i].name, name) == 0) {
            return &ctl_commands[i];
        }
    }

    return NULL;
}


static ctl_rc_t
ctl_no_command(const char *name)
{
    char    list[160];
    size_t  i, n;

    n = 0;

    for (i = 0; i < CTL_COMMANDS; i++) {
        n += (size_t) snprintf(list + n, sizeof(list) - n, "%s%s",
                               i == 0 ? "" : i == CTL_COMMANDS - 1 ? " and "
                                                                   : ", ",
                               ctl_commands[i].name);
    }

    if (name == NULL) {
        return ctl_fail("no command is given, the commands are %s, see "
                        "--help", list);
    }

    return ctl_fail("unknown command \"%s\", the commands are %s, see --help",
                    name, list);
}


/* What was printed counts only when it arrived. */

static ctl_rc_t
ctl_end(ctl_rc_t rc)
{
    if ((fflush(stdout) == EOF || ferror(stdout)) && rc != CTL_FAILED) {
        return ctl_fail("cannot write to standard output (%s)",
                        strerror(errno));
    }

    return rc;
}


ctl_rc_t
ctl_fail(const char *fmt, ...)
{
    va_list  args;

    ctl_progress_clear();
    (void) fputs("referralctl: ", stderr);

    va_start(args, fmt);
    (void) vfprintf(stderr, fmt, args);
    va_end(args);

    (void) fputc('\n', stderr);

    return CTL_FAILED;
}


int64_t
ctl_now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_REALTIME, &ts);

    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}
