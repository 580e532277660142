/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <string.h>

#include "referral_classify.h"


/* Fetch, "destination"; the last line is what Chromium sends besides. */

static const char *const  referral_fetch_dests[] = {
    "audio", "audioworklet", "document", "embed", "empty", "font", "frame",
    "iframe", "image", "json", "manifest", "object", "paintworklet", "report",
    "script", "serviceworker", "sharedworker", "style", "text", "track",
    "video", "webidentity", "worker", "xslt",
    "dictionary", "fencedframe", "sharedstorageworklet", "speculationrules",
    NULL
};

static const char *const  referral_fetch_modes[] = {
    "cors", "navigate", "no-cors", "same-origin", "websocket", NULL
};


typedef enum {
    REFERRAL_ACCEPT_ANY = 0,            /* nothing but wildcards */
    REFERRAL_ACCEPT_HTML,
    REFERRAL_ACCEPT_OTHER
} referral_accept_t;


static int
referral_is(referral_str_t s, const char *word)
{
    return s.len == strlen(word)
           && (s.len == 0 || memcmp(s.data, word, s.len) == 0);
}


static int
referral_is_any_case(referral_str_t s, const char *word)
{
    size_t         i;
    unsigned char  c;

    if (s.len != strlen(word)) {
        return 0;
    }

    for (i = 0; i < s.len; i++) {
        c = s.data[i];

        if (c >= 'A' && c <= 'Z') {
            c |= 0x20;
        }

        if (c != (unsigned char) word[i]) {
            return 0;
        }
    }

    return 1;
}


static int
referral_is_one_of(referral_str_t s, const char *const *words)
{
    for ( /* void */ ; *words != NULL; words++) {

        if (referral_is(s, *words)) {
            return 1;
        }
    }

    return 0;
}


/*
 * The next member of a list, without its parameters.  A quoted string hides
 * the commas in it, and is kept with its quotes: it is no token.
 */

static int
referral_member_next(referral_str_t list, size_t *pos, referral_str_t *member)
{
    int     quoted, parameters;
    size_t  i;

    if (*pos >= list.len) {
        return 0;
    }

    quoted = 0;
    parameters = 0;

    member->data = list.data + *pos;
    member->len = 0;

    for (i = *pos; i < list.len; i++) {

        if (list.data[i] == '"') {
            quoted = !quoted;

        } else if (quoted) {
            i += (list.data[i] == '\\' && i + 1 < list.len);

        } else if (list.data[i] == ',') {
            break;

        } else if (list.data[i] == ';') {
            parameters = 1;
        }

        if (!parameters) {
            member->len = i + 1 - *pos;
        }
    }

    *pos = i + 1;

    return 1;
}


static int
referral_blank(unsigned char c)
{
    return c == ' ' || c == '\t';
}


static referral_str_t
referral_trim(referral_str_t s)
{
    while (s.len != 0 && referral_blank(s.data[0])) {
        s.data++;
        s.len--;
    }

    while (s.len != 0 && referral_blank(s.data[s.len - 1])) {
        s.len--;
    }

    return s;
}


static int
referral_prefetch(const referral_request_t *req)
{
    size_t          pos;
    referral_str_t  list, member;

    pos = 0;
    list = (req->sec_purpose.len != 0) ? req->sec_purpose : req->purpose;

    while (referral_member_next(list, &pos, &member)) {
        member = referral_trim(member);

        /* Purpose, before it was standardized, also said "preview" */

        if (referral_is(member, "prefetch") || referral_is(member, "preview")) {
            return 1;
        }
    }

    return referral_is_any_case(req->x_purpose, "preview")
           || referral_is_any_case(req->x_purpose, "instant")
           || referral_is_any_case(req->x_moz, "prefetch");
}


static referral_accept_t
referral_accept(referral_str_t accept)
{
    size_t             pos;
    referral_str_t     range;
    referral_accept_t  found;

    pos = 0;
    found = REFERRAL_ACCEPT_ANY;

    while (referral_member_next(accept, &pos, &range)) {
        range = referral_trim(range);

        if (referral_is_any_case(range, "text/html")) {
            return REFERRAL_ACCEPT_HTML;
        }

        if (range.len != 0 && !referral_is(range, "*/*")) {
            found = REFERRAL_ACCEPT_OTHER;
        }
    }

    return found;
}


/*
 * Robots that say who runs them, and browsers that nobody sits at: as Chromium
 * tells itself, whatever its user agent was made to say.
 */

static referral_class_t
referral_classify_robot(const referral_request_t *req, referral_why_t *why)
{
    size_t             i;
    static const char  headless[] = "HeadlessChrome";

    if (req->x_scanner.len != 0 || req->from.len != 0) {
        *why = REFERRAL_WHY_BOT_HEADER;
        return req->x_scanner.len != 0 ? REFERRAL_CLASS_SCANNER
                                       : REFERRAL_CLASS_CRAWLER;
    }

    for (i = 0; i + sizeof(headless) - 1 <= req->sec_ch_ua.len; i++) {

        if (req->sec_ch_ua.data[i] == 'H'
            && memcmp(req->sec_ch_ua.data + i, headless,
                      sizeof(headless) - 1) == 0)
        {
            *why = REFERRAL_WHY_CLIENT_HINTS;
            return REFERRAL_CLASS_CRAWLER;
        }
    }

    return REFERRAL_CLASS_HUMAN;
}


static referral_class_t
referral_classify_agent(const referral_request_t *req,
    referral_agents_t *agents, referral_why_t *why)
{
    int               own;
    referral_agent_t  agent;

    own = 0;
    agent = (req->agent != NULL)
            ? referral_agents_match_hash(agents, req->user_agent, req->agent,
                                         &own)
            : referral_agents_match(agents, req->user_agent, &own);

    switch (agent) {

    case REFERRAL_AGENT_BROWSER:
        *why = REFERRAL_WHY_NAVIGATION;
        return REFERRAL_CLASS_HUMAN;

    case REFERRAL_AGENT_CRAWLER:
        *why = own ? REFERRAL_WHY_BOTS_FILE : REFERRAL_WHY_USER_AGENT;
        return REFERRAL_CLASS_CRAWLER;

    case REFERRAL_AGENT_PREVIEW:
        *why = REFERRAL_WHY_USER_AGENT;
        return REFERRAL_CLASS_PREVIEW;

    case REFERRAL_AGENT_SCANNER:
        *why = REFERRAL_WHY_USER_AGENT;
        return REFERRAL_CLASS_SCANNER;

    case REFERRAL_AGENT_EMPTY:
        *why = REFERRAL_WHY_NO_USER_AGENT;
        return REFERRAL_CLASS_CRAWLER;

    default: /* REFERRAL_AGENT_UNDECIDED */
        *why = REFERRAL_WHY_MATCH_LIMIT;
        return REFERRAL_CLASS_SUSPECT;
    }
}


static referral_class_t
referral_classify_accept(const referral_request_t *req, referral_why_t *why)
{
    *why = REFERRAL_WHY_ACCEPT;

    switch (referral_accept(req->accept)) {

    case REFERRAL_ACCEPT_ANY:
        return REFERRAL_CLASS_CRAWLER;

    case REFERRAL_ACCEPT_OTHER:
        return REFERRAL_CLASS_STUFFING;

    default: /* REFERRAL_ACCEPT_HTML */
        *why = REFERRAL_WHY_NAVIGATION;
        return REFERRAL_CLASS_HUMAN;
    }
}


referral_class_t
referral_classify(const referral_request_t *req, referral_agents_t *agents,
    referral_why_t *why)
{
    int               document, metadata;
    referral_class_t  class;

    if (req->method != REFERRAL_METHOD_GET) {
        *why = REFERRAL_WHY_METHOD;
        return REFERRAL_CLASS_PROBE;
    }

    if (referral_prefetch(req)) {
        *why = REFERRAL_WHY_SEC_PURPOSE;
        return REFERRAL_CLASS_PREFETCH;
    }

    document = referral_is(req->sec_fetch_dest, "document");
    metadata = document || referral_is_one_of(req->sec_fetch_dest,
                                              referral_fetch_dests);

    if (metadata && !document) {
        *why = REFERRAL_WHY_FETCH_DEST;
        return REFERRAL_CLASS_STUFFING;
    }

    if (!referral_is(req->sec_fetch_mode, "navigate")
        && referral_is_one_of(req->sec_fetch_mode, referral_fetch_modes))
    {
        *why = REFERRAL_WHY_FETCH_MODE;
        return REFERRAL_CLASS_STUFFING;
    }

    *why = REFERRAL_WHY_NAVIGATION;
    class = REFERRAL_CLASS_HUMAN;

    if (agents != NULL) {
        class = referral_classify_robot(req, why);

        if (class == REFERRAL_CLASS_HUMAN) {
            class = referral_classify_agent(req, agents, why);
        }
    }

    if (class == REFERRAL_CLASS_HUMAN && !metadata) {
        class = referral_classify_accept(req, why);
    }

    if (class == REFERRAL_CLASS_HUMAN && agents != NULL
        && referral_signals(req, why))
    {
        return REFERRAL_CLASS_SUSPECT;
    }

    return class;
}


int
referral_same_origin(referral_str_t site)
{
    return referral_is(site, "same-origin");
}


int
referral_gpc_on(referral_str_t value)
{
    return referral_is(value, "1");
}
