/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_module.h"
#include "referral_event_json.h"


/* The bits of what a reward needs, by the order of its parameters. */

#define NGX_HTTP_REFERRAL_TO      0x01
#define NGX_HTTP_REFERRAL_ON      0x02
#define NGX_HTTP_REFERRAL_VALUE   0x04
#define NGX_HTTP_REFERRAL_PICK    0x08


static const char *ngx_http_referral_reward_to(void *rule, ngx_str_t *s);
static const char *ngx_http_referral_reward_on(void *rule, ngx_str_t *s);
static const char *ngx_http_referral_reward_value(void *rule, ngx_str_t *s);
static const char *ngx_http_referral_reward_pick(void *rule, ngx_str_t *s);
static const char *ngx_http_referral_reward_every(void *rule, ngx_str_t *s);
static const char *ngx_http_referral_reward_min_tier(void *rule, ngx_str_t *s);
static const char *ngx_http_referral_reward_kind(void *rule, ngx_str_t *s);
static const char *ngx_http_referral_reward_limit(void *rule, ngx_str_t *s);
static const char *ngx_http_referral_reward_hold(void *rule, ngx_str_t *s);


static const ngx_http_referral_rule_param_t
    ngx_http_referral_reward_params[] =
{
    { ngx_string("to="), ngx_http_referral_reward_to },
    { ngx_string("on="), ngx_http_referral_reward_on },
    { ngx_string("value="), ngx_http_referral_reward_value },
    { ngx_string("pick="), ngx_http_referral_reward_pick },
    { ngx_string("every="), ngx_http_referral_reward_every },
    { ngx_string("min_tier="), ngx_http_referral_reward_min_tier },
    { ngx_string("kind="), ngx_http_referral_reward_kind },
    { ngx_string("limit="), ngx_http_referral_reward_limit },
    { ngx_string("hold="), ngx_http_referral_reward_hold },
    { ngx_null_string, NULL }
};


char *
ngx_http_referral_reward(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_program_t *program = conf;

    ngx_str_t                  *value;
    ngx_uint_t                  seen;
    referral_rules_t           *rules;
    referral_reward_rule_t     *reward;
    ngx_http_referral_place_t  *place;

    rules = program->rules;
    value = cf->args->elts;

    if (ngx_http_referral_rule_name(cf, rules->rewards,
                                    sizeof(referral_reward_rule_t),
                                    rules->nrewards, REFERRAL_REWARDS_MAX)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    reward = &rules->rewards[rules->nrewards++];
    reward->name = ngx_http_referral_str(value[1]);
    reward->every = 1;

    place = ngx_array_push(&program->rewards);
    if (place == NULL) {
        return NGX_CONF_ERROR;
    }

    place->file = cf->conf_file->file.name.data;
    place->line = cf->conf_file->line;

    if (ngx_http_referral_rule_params(cf, ngx_http_referral_reward_params,
                                      reward, &seen)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (!(seen & NGX_HTTP_REFERRAL_TO) || !(seen & NGX_HTTP_REFERRAL_ON)) {
        return "needs \"to=\" and \"on=\"";
    }

    if ((seen & NGX_HTTP_REFERRAL_VALUE) && (seen & NGX_HTTP_REFERRAL_PICK)) {
        return "takes \"value=\" or \"pick=\", not both";
    }

    /* there is no one amount that several events share */

    if (reward->every > 1) {
        reward->bps = 0;
    }

    return NGX_CONF_OK;
}


static const char *
ngx_http_referral_reward_to(void *rule, ngx_str_t *s)
{
    referral_reward_rule_t *reward = rule;

    if (ngx_http_referral_rule_is(s, "referrer")) {
        reward->to = REFERRAL_TO_REFERRER;

    } else if (ngx_http_referral_rule_is(s, "friend")) {
        reward->to = REFERRAL_TO_FRIEND;

    } else {
        return "must be \"to=referrer\" or \"to=friend\"";
    }

    return NULL;
}


static const char *
ngx_http_referral_reward_on(void *rule, ngx_str_t *s)
{
    referral_reward_rule_t *reward = rule;

    reward->on = ngx_http_referral_str(*s);

    if (referral_rules_click(reward->on)) {
        return "is not possible, clicks give points only";
    }

    return s->len ? NULL : "must name an event";
}


/* A text that can be shown anywhere. */

static ngx_uint_t
ngx_http_referral_reward_text(referral_str_t s)
{
    return s.len <= REFERRAL_VALUE_MAX && referral_id_wrong(s) == NULL;
}


/* What is meant as a percentage has to be one. */

static ngx_uint_t
ngx_http_referral_reward_percent(ngx_str_t *s)
{
    u_char      ch;
    ngx_uint_t  i;

    for (i = 0; i + 1 < s->len; i++) {
        ch = s->data[i];

        if (!(ch >= '0' && ch <= '9') && ch != '.' && ch != ',' && ch != '+'
            && ch != '-' && ch != ' ')
        {
            return 0;
        }
    }

    return s->len != 0 && s->data[s->len - 1] == '%';
}


static const char *
ngx_http_referral_reward_value(void *rule, ngx_str_t *s)
{
    referral_reward_rule_t *reward = rule;

    ngx_int_t  bps;

    reward->value = ngx_http_referral_str(*s);

    if (!ngx_http_referral_reward_text(reward->value)) {
        return "must have 1 to 64 bytes of UTF-8, without control characters "
               "and spaces at the ends";
    }

    if (!ngx_http_referral_reward_percent(s)) {
        return NULL;
    }

    bps = (s->len < 2 || s->data[0] == '.' || s->data[s->len - 2] == '.')
          ? NGX_ERROR : ngx_atofp(s->data, s->len - 1, 2);

    if (bps < 1 || bps > REFERRAL_BPS_MAX) {
        return "must be a percentage from 0.01% to 100% with at most two "
               "decimals";
    }

    reward->bps = (uint32_t) bps;

    return NULL;
}


/* One "gift:weight", from p to last. */

static const char *
ngx_http_referral_reward_gift(referral_reward_rule_t *reward, u_char *p,
    u_char *last)
{
    u_char            *colon;
    ngx_int_t          weight;
    ngx_str_t          s;
    referral_pick_t   *pick;

    for (colon = last; colon > p && *colon != ':'; colon--) { /* void */ }

    s.data = colon + 1;
    s.len = (colon < last) ? (size_t) (last - s.data) : 0;

    if (!ngx_http_referral_rule_number(&s, 1, REFERRAL_COUNT_MAX, &weight)) {
        return "must have weights from 1 to 1000000, as \"pick=mug:5,bag:1\"";
    }

    if (reward->npicks == REFERRAL_PICKS_MAX) {
        return "must have 16 gifts at most";
    }

    pick = &reward->picks[reward->npicks];
    pick->value.data = p;
    pick->value.len = colon - p;
    pick->weight = (uint32_t) weight;

    if (!ngx_http_referral_reward_text(pick->value)) {
        return "must have gifts of 1 to 64 bytes of UTF-8, without control "
               "characters and spaces at the ends";
    }

    if (referral_rules_find(reward->picks, sizeof(referral_pick_t),
                            reward->npicks, pick->value)
        != -1)
    {
        return "has a gift twice";
    }

    reward->npicks++;

    return NULL;
}


static const char *
ngx_http_referral_reward_pick(void *rule, ngx_str_t *s)
{
    u_char      *p, *last, *comma;
    const char  *wrong;

    p = s->data;
    last = s->data + s->len;

    do {
        while (p < last && *p == ' ') {
            p++;
        }

        comma = ngx_strlchr(p, last, ',');
        if (comma == NULL) {
            comma = last;
        }

        wrong = ngx_http_referral_reward_gift(rule, p, comma);

        p = comma + 1;

    } while (wrong == NULL && comma < last);

    return wrong;
}


static const char *
ngx_http_referral_reward_every(void *rule, ngx_str_t *s)
{
    referral_reward_rule_t *reward = rule;

    ngx_int_t  n;

    if (!ngx_http_referral_rule_number(s, 1, REFERRAL_COUNT_MAX, &n)) {
        return "must be a number from 1 to 1000000";
    }

    reward->every = (uint32_t) n;

    return NULL;
}


static const char *
ngx_http_referral_reward_min_tier(void *rule, ngx_str_t *s)
{
    referral_reward_rule_t *reward = rule;

    reward->min_tier = ngx_http_referral_str(*s);

    return s->len ? NULL : "must name a tier";
}


static const char *
ngx_http_referral_reward_kind(void *rule, ngx_str_t *s)
{
    referral_reward_rule_t *reward = rule;

    if (ngx_http_referral_rule_is(s, "customer")) {
        reward->kind = REFERRAL_FOR_CUSTOMER;

    } else if (ngx_http_referral_rule_is(s, "partner")) {
        reward->kind = REFERRAL_FOR_PARTNER;

    } else {
        return "must be \"kind=customer\" or \"kind=partner\"";
    }

    return NULL;
}


static const char *
ngx_http_referral_reward_limit(void *rule, ngx_str_t *s)
{
    referral_reward_rule_t *reward = rule;

    u_char      *slash;
    ngx_int_t    n;
    ngx_str_t    number, period;
    ngx_uint_t   i;

    static const char  *periods[] = { "", "/day", "/month", "/year" };

    slash = ngx_strlchr(s->data, s->data + s->len, '/');
    if (slash == NULL) {
        slash = s->data + s->len;
    }

    number.data = s->data;
    number.len = slash - s->data;
    period.data = slash;
    period.len = s->len - number.len;

    for (i = 0; i <= REFERRAL_PER_YEAR; i++) {
        if (ngx_http_referral_rule_is(&period, periods[i])) {
            break;
        }
    }

    if (i > REFERRAL_PER_YEAR
        || !ngx_http_referral_rule_number(&number, 1, REFERRAL_COUNT_MAX, &n))
    {
        return "must be a number from 1 to 1000000, and may end with "
               "\"/day\", \"/month\" or \"/year\"";
    }

    reward->limit = (uint32_t) n;
    reward->per = (uint8_t) i;

    return NULL;
}


static const char *
ngx_http_referral_reward_hold(void *rule, ngx_str_t *s)
{
    referral_reward_rule_t *reward = rule;

    reward->has_hold = 1;

    return ngx_http_referral_rule_time(s, 0, &reward->hold)
           ? NULL : "must be a time of at most 10y";
}


/* What rewards name may be declared below them. */

ngx_int_t
ngx_http_referral_rewards_end(ngx_conf_t *cf,
    ngx_http_referral_program_t *program)
{
    ngx_uint_t                  i;
    const char                 *what;
    referral_str_t             *name;
    referral_rules_t           *rules;
    referral_reward_rule_t     *reward;
    ngx_http_referral_place_t  *place;

    rules = program->rules;
    place = program->rewards.elts;

    for (i = 0; i < rules->nrewards; i++) {
        reward = &rules->rewards[i];

        if (referral_rules_find(rules->events, sizeof(referral_event_rule_t),
                                rules->nevents, reward->on)
            == -1)
        {
            what = "event";
            name = &reward->on;

        } else if (reward->min_tier.len != 0
                   && referral_rules_find(rules->tiers,
                                          sizeof(referral_tier_rule_t),
                                          rules->ntiers, reward->min_tier)
                      == -1)
        {
            what = "tier";
            name = &reward->min_tier;

        } else {
            continue;
        }

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "unknown %s \"%*s\" of reward \"%*s\" in %s:%ui", what,
                      name->len, name->data, reward->name.len,
                      reward->name.data, place[i].file, place[i].line);
        return NGX_ERROR;
    }

    return NGX_OK;
}
