/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * referralctl, the command line of a referral store: options and commands.
 */

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "referralctl.h"

/* last: its name for the version is one of the store's outcomes */

#include "referral_version.h"


typedef struct {
    const char     *name;
    const char     *usage;
    int             min;
    int             max;
    unsigned        json;
    unsigned        dry_run;
    ctl_rc_t      (*run)(const ctl_args_t *args);
} ctl_command_t;

/* Values of long options; beyond those of characters. */

enum {
    CTL_JSON = 256,
    CTL_DRY_RUN,
    CTL_HELP,
    CTL_VERSION
};


static int ctl_options(int argc, char **argv, ctl_args_t *args);
static ctl_rc_t ctl_run(int argc, char **argv, ctl_args_t *args);
static const ctl_command_t *ctl_find(const char *name);
static ctl_rc_t ctl_end(ctl_rc_t rc);


static const ctl_command_t  ctl_commands[] = {
    { "stat", "DIR [--json]", 1, 1, 1, 0, ctl_stat },
    { "verify", "DIR [--json]", 1, 1, 1, 0, ctl_verify },
    { "import", "conversions DIR PROGRAM FILE [--dry-run] [--json]", 4, 4, 1,
      1, ctl_import },
    { "keygen", "[KID] [FILE]", 0, 2, 0, 0, ctl_keygen },
    { "token", "NAME SCOPE [FILE]", 2, 3, 0, 0, ctl_token }
};

static const char  ctl_help[] =
    "usage: referralctl COMMAND [ARGUMENT ...] [OPTION ...]\n"
    "\n"
    "  stat DIR                 what the store in DIR is and holds\n"
    "  verify DIR               recount the journal, compare with every "
    "counter\n"
    "  import conversions DIR PROGRAM FILE\n"
    "                           take the orders in FILE, or \"-\" for standard "
    "input,\n"
    "                           one JSON object a line as in POST "
    "/v1/conversions,\n"
    "                           at the time in their occurred_at; orders that "
    "are there\n"
    "                           already are duplicates\n"
    "  keygen [KID] [FILE]      a new line for a referral_key_file, in FILE, "
    "which\n"
    "                           must not exist, or on standard output; KID "
    "is k1\n"
    "                           if not given\n"
    "  token NAME SCOPE [FILE]  a new token of the endpoint, and its line for "
    "a\n"
    "                           token_file, added to FILE or printed; SCOPE "
    "is\n"
    "                           read, write or admin\n"
    "\n"
    "  --json                   stat, verify, import: print a JSON object\n"
    "  --dry-run                import: check every line, write nothing\n"
    "  --help                   print this\n"
    "  --version                print the version\n"
    "\n"
    "stat and verify only read; they and import may run beside nginx, and as "
    "root\n"
    "they act as the owner of DIR.\n"
    "\n"
    "Exit status: 0 done, and nothing found; 1 verify found differences, or "
    "import\n"
    "refused lines; 2 could not run, or not to the end.\n";


int
main(int argc, char **argv)
{
    ctl_args_t  args;

    memset(&args, 0, sizeof(ctl_args_t));

    switch (ctl_options(argc, argv, &args)) {

    case -1:
        return CTL_FAILED;

    case CTL_HELP:
        (void) fputs(ctl_help, stdout);
        return ctl_end(CTL_OK);

    case CTL_VERSION:
        (void) puts("referralctl " REFERRAL_VERSION);
        return ctl_end(CTL_OK);
    }

    return ctl_end(ctl_run(argc - optind, argv + optind, &args));
}


/* 0, the option that stands for a command, or -1. */

static int
ctl_options(int argc, char **argv, ctl_args_t *args)
{
    int   c, command;
    char  name[3];

    static const struct option  options[] = {
        { "json", no_argument, NULL, CTL_JSON },
        { "dry-run", no_argument, NULL, CTL_DRY_RUN },
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

        } else if (c != '?') {
            command = command ? command : c;

        } else if (optopt > 0 && optopt < CTL_JSON) {
            (void) snprintf(name, sizeof(name), "-%c", optopt);
            (void) ctl_fail("unknown option \"%s\", see --help", name);
            return -1;

        } else {
            (void) ctl_fail("unknown option \"%s\", see --help",
                            argv[optind - 1]);
            return -1;
        }
    }

    return command;
}


static ctl_rc_t
ctl_run(int argc, char **argv, ctl_args_t *args)
{
    int                   i;
    const ctl_command_t  *command;

    if (argc == 0) {
        return ctl_fail("no command is given, the commands are stat, verify, "
                        "import, keygen and token, see --help");
    }

    command = ctl_find(argv[0]);

    if (command == NULL) {
        return ctl_fail("unknown command \"%s\", the commands are stat, "
                        "verify, import, keygen and token, see --help",
                        argv[0]);
    }

    argc--;

    if (argc < command->min || argc > command->max
        || (args->json && !command->json)
        || (args->dry_run && !command->dry_run))
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

    for (i = 0; i < sizeof(ctl_commands) / sizeof(ctl_commands[0]); i++) {
        if (strcmp(ctl_commands[i].name, name) == 0) {
            return &ctl_commands[i];
        }
    }

    return NULL;
}


/* What was printed counts only when it arrived. */

static ctl_rc_t
ctl_end(ctl_rc_t rc)
{
    if (fflush(stdout) == EOF || ferror(stdout)) {
        return ctl_fail("cannot write to standard output (%s)",
                        strerror(errno));
    }

    return rc;
}


ctl_rc_t
ctl_fail(const char *fmt, ...)
{
    va_list  args;

    (void) fputs("referralctl: ", stderr);

    va_start(args, fmt);
    (void) vfprintf(stderr, fmt, args);
    va_end(args);

    (void) fputc('\n', stderr);

    return CTL_FAILED;
}
