/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_module.h"
#include "referral_time.h"


#define NGX_HTTP_REFERRAL_BIND         (365 * 24 * 60 * 60)
#define NGX_HTTP_REFERRAL_POINTS       0x01     /* of click */
#define NGX_HTTP_REFERRAL_BOTH         0x03     /* from and to */

/* Not written yet. */

#define NGX_HTTP_REFERRAL_NO_POINTS    -1
#define NGX_HTTP_REFERRAL_NO_SELF      0xff
#define NGX_HTTP_REFERRAL_NO_BIND      0xffffffff


static const char *ngx_http_referral_event_points(void *rule, ngx_str_t *s);
static const char *ngx_http_referral_event_hold(void *rule, ngx_str_t *s);
static const char *ngx_http_referral_event_min(void *rule, ngx_str_t *s);
static const char *ngx_http_referral_event_once(void *rule, ngx_str_t *s);
static const char *ngx_http_referral_event_limit(void *rule, ngx_str_t *s);
static const char *ngx_http_referral_contest_from(void *rule, ngx_str_t *s);
static const char *ngx_http_referral_contest_to(void *rule, ngx_str_t *s);


static const ngx_http_referral_rule_param_t  ngx_http_referral_event_params[] =
{
    { ngx_string("points="), ngx_http_referral_event_points },
    { ngx_string("hold="), ngx_http_referral_event_hold },
    { ngx_string("min="), ngx_http_referral_event_min },
    { ngx_string("once="), ngx_http_referral_event_once },
    { ngx_null_string, NULL }
};


static const ngx_http_referral_rule_param_t  ngx_http_referral_click_params[] =
{
    { ngx_string("points="), ngx_http_referral_event_points },
    { ngx_string("limit="), ngx_http_referral_event_limit },
    { ngx_null_string, NULL }
};


static const ngx_http_referral_rule_param_t
    ngx_http_referral_contest_params[] =
{
    { ngx_string("from="), ngx_http_referral_contest_from },
    { ngx_string("to="), ngx_http_referral_contest_to },
    { ngx_null_string, NULL }
};


/* A program without a line about them has these two events. */

ngx_int_t
ngx_http_referral_rules_create(ngx_conf_t *cf,
    ngx_http_referral_program_t *program)
{
    referral_rules_t  *rules;

    static const ngx_str_t  signup = ngx_string("signup");
    static const ngx_str_t  purchase = ngx_string("purchase");

    rules = ngx_pcalloc(cf->pool, sizeof(referral_rules_t));
    if (rules == NULL) {
        return NGX_ERROR;
    }

    rules->self = NGX_HTTP_REFERRAL_NO_SELF;
    rules->bind = NGX_HTTP_REFERRAL_NO_BIND;

    rules->events[0].name = ngx_http_referral_str(signup);
    rules->events[0].points = NGX_HTTP_REFERRAL_NO_POINTS;
    rules->events[1].name = ngx_http_referral_str(purchase);
    rules->events[1].points = NGX_HTTP_REFERRAL_NO_POINTS;
    rules->nevents = 2;

    program->rules = rules;

    return ngx_array_init(&program->rewards, cf->pool, 4,
                          sizeof(ngx_http_referral_place_t));
}


char *
ngx_http_referral_event(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_program_t *program = conf;

    int                     i;
    ngx_str_t              *value;
    ngx_uint_t              click, seen;
    referral_rules_t       *rules;
    referral_event_rule_t  *event;

    rules = program->rules;
    value = cf->args->elts;

    i = referral_rules_find(rules->events, sizeof(referral_event_rule_t),
                            rules->nevents, ngx_http_referral_str(value[1]));

    if (i != -1 && rules->events[i].points == NGX_HTTP_REFERRAL_NO_POINTS) {
        event = &rules->events[i];

    } else {
        if (ngx_http_referral_rule_name(cf, rules->events,
                                        sizeof(referral_event_rule_t),
                                        rules->nevents, REFERRAL_EVENTS_MAX)
            != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }

        event = &rules->events[rules->nevents++];
        event->name = ngx_http_referral_str(value[1]);
    }

    event->points = 0;
    click = referral_rules_click(event->name);

    if (ngx_http_referral_rule_params(cf, click
                                          ? ngx_http_referral_click_params
                                          : ngx_http_referral_event_params,
                                      event, &seen)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (click && !(seen & NGX_HTTP_REFERRAL_POINTS)) {
        return "needs \"points=\" for \"click\"";
    }

    return NGX_CONF_OK;
}


static const char *
ngx_http_referral_event_points(void *rule, ngx_str_t *s)
{
    referral_event_rule_t *event = rule;

    ngx_int_t  n;

    if (!ngx_http_referral_rule_number(s, 0, REFERRAL_POINTS_MAX, &n)) {
        return "must be a number from 0 to 1000000";
    }

    event->points = n;

    return NULL;
}


static const char *
ngx_http_referral_event_hold(void *rule, ngx_str_t *s)
{
    referral_event_rule_t *event = rule;

    return ngx_http_referral_rule_time(s, 0, &event->hold)
           ? NULL : "must be a time of at most 10y";
}


static const char *
ngx_http_referral_event_min(void *rule, ngx_str_t *s)
{
    referral_event_rule_t *event = rule;

    ngx_int_t  n;

    if (!ngx_http_referral_rule_number(s, 0, REFERRAL_AMOUNT_MAX, &n)) {
        return "must be a number of minor units, as 4999 for 49.99, at most "
               "922337203685477";
    }

    event->min = n;

    return NULL;
}


static const char *
ngx_http_referral_event_once(void *rule, ngx_str_t *s)
{
    referral_event_rule_t *event = rule;

    if (ngx_http_referral_rule_is(s, "order")) {
        event->once = REFERRAL_ONCE_ORDER;

    } else if (ngx_http_referral_rule_is(s, "customer")) {
        event->once = REFERRAL_ONCE_CUSTOMER;

    } else {
        return "must be \"once=order\" or \"once=customer\"";
    }

    return NULL;
}


static const char *
ngx_http_referral_event_limit(void *rule, ngx_str_t *s)
{
    referral_event_rule_t *event = rule;

    ngx_int_t  n;
    ngx_str_t  number;

    number = *s;

    if (s->len > 4 && ngx_strncmp(s->data + s->len - 4, "/day", 4) == 0) {
        number.len -= 4;

        if (ngx_http_referral_rule_number(&number, 1, REFERRAL_COUNT_MAX, &n))
        {
            event->limit = (uint32_t) n;
            return NULL;
        }
    }

    return "must be a number from 1 to 1000000 and \"/day\"";
}


char *
ngx_http_referral_tier(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_program_t *program = conf;

    ngx_int_t              n;
    ngx_str_t             *value;
    referral_rules_t      *rules;
    referral_tier_rule_t  *tier;

    rules = program->rules;
    value = cf->args->elts;

    if (ngx_http_referral_rule_name(cf, rules->tiers,
                                    sizeof(referral_tier_rule_t),
                                    rules->ntiers, REFERRAL_TIERS_MAX)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (!ngx_http_referral_rule_number(&value[2], 0, REFERRAL_POINTS_MAX, &n))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "points \"%V\" of tier \"%V\" must be a number "
                           "from 0 to 1000000", &value[2], &value[1]);
        return NGX_CONF_ERROR;
    }

    tier = &rules->tiers[rules->ntiers];

    if (rules->ntiers != 0 && n <= tier[-1].points) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "tier \"%V\" must have more points than tier "
                           "\"%*s\" above it, which has %L", &value[1],
                           tier[-1].name.len, tier[-1].name.data,
                           tier[-1].points);
        return NGX_CONF_ERROR;
    }

    tier->name = ngx_http_referral_str(value[1]);
    tier->points = n;
    rules->ntiers++;

    return NGX_CONF_OK;
}


char *
ngx_http_referral_contest(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_program_t *program = conf;

    ngx_str_t                *value;
    ngx_uint_t                seen;
    referral_rules_t         *rules;
    referral_contest_rule_t  *contest;

    rules = program->rules;
    value = cf->args->elts;

    if (ngx_http_referral_rule_name(cf, rules->contests,
                                    sizeof(referral_contest_rule_t),
                                    rules->ncontests, REFERRAL_CONTESTS_MAX)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    /* a leaderboard is asked for by "all", a month or the name of a contest */

    if (ngx_http_referral_rule_is(&value[1], "all")
        || (value[1].len == 7 && value[1].data[4] == '-'
            && ngx_atoi(value[1].data, 4) != NGX_ERROR
            && ngx_atoi(value[1].data + 5, 2) != NGX_ERROR))
    {
        return "must not be named \"all\" or like a month";
    }

    contest = &rules->contests[rules->ncontests++];
    contest->name = ngx_http_referral_str(value[1]);

    if (ngx_http_referral_rule_params(cf, ngx_http_referral_contest_params,
                                      contest, &seen)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (seen != NGX_HTTP_REFERRAL_BOTH) {
        return "needs \"from=\" and \"to=\"";
    }

    if (contest->from >= contest->to) {
        return "must end after it begins";
    }

    return NGX_CONF_OK;
}


static const char *
ngx_http_referral_contest_time(ngx_str_t *s, int64_t *ms)
{
    return (referral_time_parse(ngx_http_referral_str(*s), ms) == 0)
           ? NULL : "must be a date or a time in RFC 3339, as 2026-12-01 or "
                    "2026-12-01T08:00:00+01:00";
}


static const char *
ngx_http_referral_contest_from(void *rule, ngx_str_t *s)
{
    referral_contest_rule_t *contest = rule;

    return ngx_http_referral_contest_time(s, &contest->from);
}


static const char *
ngx_http_referral_contest_to(void *rule, ngx_str_t *s)
{
    referral_contest_rule_t *contest = rule;

    return ngx_http_referral_contest_time(s, &contest->to);
}


char *
ngx_http_referral_self(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_program_t *program = conf;

    ngx_str_t         *value;
    referral_rules_t  *rules;

    rules = program->rules;

    if (rules->self != NGX_HTTP_REFERRAL_NO_SELF) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_http_referral_rule_is(&value[1], "hold")) {
        rules->self = REFERRAL_SELF_HOLD;

    } else if (ngx_http_referral_rule_is(&value[1], "reject")) {
        rules->self = REFERRAL_SELF_REJECT;

    } else if (ngx_http_referral_rule_is(&value[1], "allow")) {
        rules->self = REFERRAL_SELF_ALLOW;

    } else {
        return "must be \"hold\", \"reject\" or \"allow\"";
    }

    return NGX_CONF_OK;
}


char *
ngx_http_referral_bind(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_program_t *program = conf;

    ngx_str_t         *value;
    referral_rules_t  *rules;

    rules = program->rules;

    if (rules->bind != NGX_HTTP_REFERRAL_NO_BIND) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_http_referral_rule_is(&value[1], "off")) {
        rules->bind = 0;
        return NGX_CONF_OK;
    }

    return ngx_http_referral_rule_time(&value[1], 1, &rules->bind)
           ? NGX_CONF_OK : "must be \"off\" or a time between 1s and 10y";
}


ngx_int_t
ngx_http_referral_rules_end(ngx_conf_t *cf,
    ngx_http_referral_program_t *program)
{
    u_char            *buf;
    ngx_uint_t         i;
    referral_rules_t  *rules;

    rules = program->rules;

    rules->model = (uint8_t) program->attribution;
    rules->open = (uint8_t) program->open;
    rules->window = (uint32_t) program->window;

    if (rules->self == NGX_HTTP_REFERRAL_NO_SELF) {
        rules->self = REFERRAL_SELF_HOLD;
    }

    if (rules->bind == NGX_HTTP_REFERRAL_NO_BIND) {
        rules->bind = NGX_HTTP_REFERRAL_BIND;
    }

    for (i = 0; i < rules->nevents; i++) {
        if (rules->events[i].points == NGX_HTTP_REFERRAL_NO_POINTS) {
            rules->events[i].points = 0;
        }
    }

    if (ngx_http_referral_rewards_end(cf, program) != NGX_OK) {
        return NGX_ERROR;
    }

    buf = ngx_palloc(cf->temp_pool, REFERRAL_RULES_SIZE);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    if (referral_rules_encode(rules, buf) == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "events, tiers, rewards and contests of program "
                           "\"%V\" take more than %d bytes: shorten names, "
                           "values and gifts", &program->name,
                           REFERRAL_RULES_SIZE);
        return NGX_ERROR;
    }

    return NGX_OK;
}
