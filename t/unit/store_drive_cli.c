/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * store_drive_cli DIR
 *
 * Applies operations to a store that it makes in DIR, for a test that knows
 * what must come of them.  A line is an operation, its fields separated by
 * tabs, empty where nothing is told:
 *
 *   program NAME CASE_SENSITIVE
 *   rules PROGRAM MODEL SELF OPEN WINDOW BIND [KIND=FIELDS]...
 *   batch N                    records applied together, from now on
 *   click INTAKE TIME PROGRAM CODE BY_ID CLASS FLAGS CHANNEL CLICK_ID
 *       VISITOR BEFORE UNIQUE_WINDOW
 *   code INTAKE TIME PROGRAM CODE SET OWNER KIND STATUS
 *   event INTAKE TIME PROGRAM EVENT ORDER CUSTOMER COUPON CLICK_ID SOURCE
 *       TOKEN CURRENCY AMOUNT OCCURRED DRAW (CODE CHANNEL CLICK_ID TIME){2}
 *   refund INTAKE TIME PROGRAM ORDER REFUND REASON WHOLE CURRENCY AMOUNT
 *   decision INTAKE TIME PROGRAM WHAT ORDER REWARD REASON
 *   tick TIME
 *   purge PROGRAM BEFORE
 *   dump FROM TO               in days; see store_drive_dump.h
 *   verify                     prints the number of differences
 *   reopen                     closes the intakes and opens them again
 *
 * Numbers of enumerations are the store's.  REWARD is the n-th of its event,
 * from 0.  The touches are the first one and the last one.  Prints the
 * outcome of each record, "OK 1" when it was new, when it is applied: at the
 * end of its batch, before anything that is no record, and before a record
 * of the other intake.
 */

#include "store_drive_dump.h"
#include "store_drive_records.h"
#include "referral_tools.h"


typedef struct {
    const char          *name;
    void               (*run)(cli_t *c);
} command_t;


/* ------------------------------------------------------------- the others */

static void
run_program(cli_t *c)
{
    uint32_t        id;
    unsigned        case_sensitive;
    referral_str_t  name;

    name = take(c);
    case_sensitive = (unsigned) number(c);

    flush(c);
    test_must(&c->ts, referral_store_program(c->ts.store, name,
                                             &case_sensitive, &id,
                                             &c->ts.err),
              "referral_store_program");

    c->d.programs = id;
    printf("%u\n", id);
}


/* Fields within a field have commas between them. */

static char *
part(char **rest)
{
    char  *field;

    field = strsep(rest, ",");

    if (field == NULL) {
        fail("a rule is too short");
    }

    return field;
}


static void
reward_rule(referral_reward_rule_t *rule, char *rest)
{
    char             *picks, *pick;
    referral_pick_t  *p;

    rule->name = test_str(part(&rest));
    rule->on = test_str(part(&rest));
    rule->min_tier = test_str(part(&rest));
    rule->value = test_str(part(&rest));
    rule->bps = (uint32_t) atol(part(&rest));
    rule->to = (uint8_t) atol(part(&rest));
    rule->kind = (uint8_t) atol(part(&rest));
    rule->per = (uint8_t) atol(part(&rest));
    rule->has_hold = (uint8_t) atol(part(&rest));
    rule->hold = (uint32_t) atol(part(&rest));
    rule->every = (uint32_t) atol(part(&rest));
    rule->limit = (uint32_t) atol(part(&rest));

    picks = part(&rest);

    while (*picks != '\0' && (pick = strsep(&picks, ";")) != NULL) {
        p = &rule->picks[rule->npicks++];
        p->value = test_str(strsep(&pick, ":"));
        p->weight = (uint32_t) atol(pick);

        if (picks == NULL) {
            break;
        }
    }
}


static void
one_rule(cli_t *c, referral_rules_t *rules, char *rest)
{
    char                     *kind;
    referral_event_rule_t    *event;
    referral_contest_rule_t  *contest;

    kind = strsep(&rest, "=");

    if (strcmp(kind, "event") == 0) {
        event = &rules->events[rules->nevents++];
        event->name = test_str(part(&rest));
        event->points = atoll(part(&rest));
        event->hold = (uint32_t) atol(part(&rest));
        event->min = atoll(part(&rest));
        event->once = (uint8_t) atol(part(&rest));
        event->limit = (uint32_t) atol(part(&rest));

    } else if (strcmp(kind, "tier") == 0) {
        rules->tiers[rules->ntiers].name = test_str(part(&rest));
        rules->tiers[rules->ntiers++].points = atoll(part(&rest));

    } else if (strcmp(kind, "reward") == 0) {
        reward_rule(&rules->rewards[rules->nrewards++], rest);

    } else if (strcmp(kind, "contest") == 0) {
        contest = &rules->contests[rules->ncontests++];
        contest->name = test_str(part(&rest));
        contest->from = atoll(part(&rest));
        contest->to = atoll(part(&rest));
        drive_add(&c->d.contests[c->d.program], contest->name);

    } else {
        fail("no such kind of rule");
    }
}


static void
run_rules(cli_t *c)
{
    referral_rules_t  rules;

    memset(&rules, 0, sizeof(referral_rules_t));
    c->d.program = (uint32_t) number(c);
    rules.model = (uint8_t) number(c);
    rules.self = (uint8_t) number(c);
    rules.open = (uint8_t) number(c);
    rules.window = (uint32_t) number(c);
    rules.bind = (uint32_t) number(c);
    rules.review.min_age = (uint32_t) number(c);
    rules.review.per_click = (uint32_t) number(c);
    rules.review.max_amount = number(c);

    while (c->next < c->nfields) {
        one_rule(c, &rules, c->fields[c->next++]);
    }

    flush(c);
    test_must(&c->ts, referral_store_rules(c->ts.store, c->d.program, &rules,
                                           &c->ts.err),
              "referral_store_rules");
    outcome(REFERRAL_OK, 0);
}


static void
run_batch(cli_t *c)
{
    flush(c);
    c->batch = (unsigned) number(c);

    if (c->batch == 0 || c->batch > BATCH) {
        fail("no such size of a batch");
    }
}


static void
run_tick(cli_t *c)
{
    int64_t  now, next;

    now = number(c);

    flush(c);
    do {
        test_must(&c->ts, referral_store_tick(c->ts.store, now, &next,
                                              &c->ts.err),
                  "referral_store_tick");

    } while (next != 0 && next <= now);

    if (next != 0 && next <= now) {
        printf("wrong\tnext tick at %" PRId64 "\n", next);
    }

    outcome(REFERRAL_OK, 0);
}


static void
run_purge(cli_t *c)
{
    int64_t           before;
    uint32_t          program;
    referral_purge_t  step;

    program = (uint32_t) number(c);
    before = number(c);

    flush(c);

    do {
        test_must(&c->ts, referral_store_purge(c->ts.store, program, before,
                                               &step, &c->ts.err),
                  "referral_store_purge");
    } while (step.more);

    outcome(REFERRAL_OK, 0);
}


static void
run_dump(cli_t *c)
{
    uint32_t  from, to;

    from = (uint32_t) number(c);
    to = (uint32_t) number(c);

    flush(c);
    drive_dump(&c->d, from, to);
}


static void
run_verify(cli_t *c)
{
    flush(c);
    printf("%" PRIu64 "\n", test_verify(&c->ts));
}


static void
run_reopen(cli_t *c)
{
    unsigned  i;

    flush(c);

    for (i = 0; i < INTAKES; i++) {
        referral_intake_close(c->intakes[i]);
    }

    for (i = 0; i < INTAKES; i++) {
        c->intakes[i] = test_intake(&c->ts);
    }
}


static const command_t  commands[] = {
    { "click", run_click },
    { "code", run_code },
    { "event", run_event },
    { "refund", run_refund },
    { "decision", run_decision },
    { "program", run_program },
    { "rules", run_rules },
    { "batch", run_batch },
    { "tick", run_tick },
    { "purge", run_purge },
    { "dump", run_dump },
    { "verify", run_verify },
    { "reopen", run_reopen },
    { NULL, NULL }
};


static void
run_line(cli_t *c, char *line)
{
    const command_t  *command;

    c->nfields = 0;
    c->next = 1;

    while (line != NULL && c->nfields < FIELDS) {
        c->fields[c->nfields++] = strsep(&line, "\t");
    }

    for (command = commands; command->name != NULL; command++) {
        if (strcmp(command->name, c->fields[0]) == 0) {
            command->run(c);
            return;
        }
    }

    fail("no such operation");
}


static void
start(cli_t *c, const char *dir)
{
    unsigned  i;

    snprintf(c->ts.path, sizeof(c->ts.path), "%s/store", dir);
    snprintf(c->ts.rings, sizeof(c->ts.rings), "%s/rings", dir);

    if (mkdir(c->ts.path, 0700) != 0 || mkdir(c->ts.rings, 0700) != 0) {
        fail("the directory cannot be used");
    }

    c->ts.opts.path = c->ts.path;
    c->ts.opts.intake_path = c->ts.rings;
    c->ts.opts.map_size = (uint64_t) 1 << 30;
    c->ts.opts.intake_size = 1 << 20;
    c->batch = 1;

    test_open(&c->ts);

    for (i = 0; i < INTAKES; i++) {
        c->intakes[i] = test_intake(&c->ts);
    }

    test_must(&c->ts, referral_snapshot_create(c->ts.store, &c->d.snap,
                                               &c->ts.err),
              "referral_snapshot_create");
}


int
main(int argc, char **argv)
{
    char          *line;
    size_t         size;
    ssize_t        n;
    static cli_t   c;

    if (argc != 2) {
        fail("usage: store_drive_cli DIR");
    }

    start(&c, argv[1]);

    line = NULL;
    size = 0;

    while ((n = getline(&line, &size, stdin)) > 0) {
        if (line[n - 1] == '\n') {
            line[n - 1] = '\0';
        }

        run_line(&c, line);
    }

    flush(&c);
    fflush(stdout);
    free(line);

    return 0;
}
