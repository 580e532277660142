/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "referral_classify.h"
#include "tap.h"


#define BROWSER  "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 " \
                 "Firefox/128.0"


static referral_str_t
str(const char *text)
{
    referral_str_t  s;

    s.data = (const unsigned char *) text;
    s.len = strlen(text);

    return s;
}


static referral_request_t
page(void)
{
    referral_request_t  req;

    memset(&req, 0, sizeof(req));

    req.user_agent = str(BROWSER);
    req.accept = str("text/html,*/*;q=0.8");

    return req;
}


static void
is(const referral_request_t *req, referral_agents_t *agents,
    referral_class_t class, referral_why_t why, const char *name)
{
    referral_why_t    got_why;
    referral_class_t  got;

    got = referral_classify(req, agents, &got_why);

    if (!tap_ok(got == class && got_why == why, "%s", name)) {
        printf("#      got: %d why %d\n# expected: %d why %d\n",
               (int) got, (int) got_why, (int) class, (int) why);
    }
}


static void
sec_purpose(const char *value, int want)
{
    referral_request_t  req;

    req = page();
    req.sec_purpose = str(value);

    is(&req, NULL,
       want ? REFERRAL_CLASS_PREFETCH : REFERRAL_CLASS_HUMAN,
       want ? REFERRAL_WHY_SEC_PURPOSE : REFERRAL_WHY_NAVIGATION, value);
}


static void
accept(const char *value, referral_class_t class)
{
    referral_request_t  req;

    req = page();
    req.accept = str(value);

    is(&req, NULL, class,
       class == REFERRAL_CLASS_HUMAN ? REFERRAL_WHY_NAVIGATION
                                     : REFERRAL_WHY_ACCEPT,
       value);
}


static void
headers(void)
{
    sec_purpose("prefetch", 1);
    sec_purpose(" prefetch ;prerender", 1);
    sec_purpose("other;a=1,\tprefetch;anonymous-client-ip", 1);
    sec_purpose("preview", 1);
    sec_purpose("xprefetch", 0);
    sec_purpose("prefetchx;a", 0);
    sec_purpose("Prefetch", 0);
    sec_purpose("other;prefetch", 0);
    sec_purpose("\"prefetch\"", 0);
    sec_purpose("a;b=\"x, prefetch, y\"", 0);
    sec_purpose("a;b=\"\\\", prefetch, y\"", 0);
    sec_purpose("a;b=\"x\", prefetch", 1);
    sec_purpose(",,", 0);

    accept("TEXT/HTML ;q=0.9", REFERRAL_CLASS_HUMAN);
    accept("image/png, text/html", REFERRAL_CLASS_HUMAN);
    accept("image/png, */*", REFERRAL_CLASS_STUFFING);
    accept("text/htmlx, */*", REFERRAL_CLASS_STUFFING);
    accept("application/json;a=\"text/html\"", REFERRAL_CLASS_STUFFING);
    accept("*/*;q=0.8", REFERRAL_CLASS_CRAWLER);
    accept("", REFERRAL_CLASS_CRAWLER);
}


/* The earliest test decides: each request here fails all the later ones. */

static void
order(referral_agents_t *agents)
{
    referral_request_t  req;

    memset(&req, 0, sizeof(req));

    req.accept = str("image/png");
    is(&req, NULL, REFERRAL_CLASS_STUFFING, REFERRAL_WHY_ACCEPT, "Accept");

    is(&req, agents, REFERRAL_CLASS_CRAWLER, REFERRAL_WHY_NO_USER_AGENT,
       "no user agent");

    req.user_agent = str("curl/8.5.0");
    is(&req, agents, REFERRAL_CLASS_CRAWLER, REFERRAL_WHY_USER_AGENT,
       "user agent");

    req.sec_fetch_mode = str("cors");
    is(&req, agents, REFERRAL_CLASS_STUFFING, REFERRAL_WHY_FETCH_MODE,
       "Sec-Fetch-Mode");

    req.sec_fetch_dest = str("image");
    is(&req, agents, REFERRAL_CLASS_STUFFING, REFERRAL_WHY_FETCH_DEST,
       "Sec-Fetch-Dest");

    req.x_moz = str("prefetch");
    is(&req, agents, REFERRAL_CLASS_PREFETCH, REFERRAL_WHY_SEC_PURPOSE,
       "prefetch");

    req.method = REFERRAL_METHOD_HEAD;
    is(&req, agents, REFERRAL_CLASS_PROBE, REFERRAL_WHY_METHOD, "method");
}


static void
metadata(void)
{
    referral_request_t  req;

    req = page();
    req.accept = str("*/*");
    req.sec_fetch_dest = str("document");

    is(&req, NULL, REFERRAL_CLASS_HUMAN, REFERRAL_WHY_NAVIGATION,
       "a document needs no Accept");

    req.sec_fetch_mode = str("same-origin");
    is(&req, NULL, REFERRAL_CLASS_STUFFING, REFERRAL_WHY_FETCH_MODE,
       "a document that is no navigation");

    req.sec_fetch_mode = str("Navigate");
    is(&req, NULL, REFERRAL_CLASS_HUMAN, REFERRAL_WHY_NAVIGATION,
       "an unknown mode is ignored");

    req.sec_fetch_dest = str("nonsense");
    is(&req, NULL, REFERRAL_CLASS_CRAWLER, REFERRAL_WHY_ACCEPT,
       "an unknown destination is ignored");

    tap_ok(referral_gpc_on(str("1")) && !referral_gpc_on(str("1, 1"))
           && !referral_gpc_on(str("0")) && !referral_gpc_on(str("")),
           "Sec-GPC");
}


static referral_agents_t *
create(const char *text)
{
    char                why[256];
    unsigned            line;
    referral_agents_t  *agents;

    agents = referral_agents_create(text, text ? strlen(text) : 0, &line, why,
                                    sizeof(why));

    if (agents == NULL) {
        printf("Bail out! line %u: %s\n", line, why);
        exit(2);
    }

    return agents;
}


static void
matches(referral_agents_t *agents, const char *agent, referral_agent_t want,
    int want_own)
{
    int               own, own_cached;
    referral_agent_t  got, cached;

    got = referral_agents_match(agents, str(agent), &own);
    cached = referral_agents_match(agents, str(agent), &own_cached);

    tap_ok(got == want && own == want_own, "%.70s", agent);
    tap_ok(cached == got && own_cached == own, "the same from the cache");
}


static void
own_list(void)
{
    referral_agents_t   *agents;
    referral_request_t   req;

    agents = create("# comment\n\n  Acme\\E.*|\\Q \r\n"
                    "~^Strange(?:Reader)?/\\d\n#tail\nlast one");

    matches(agents, BROWSER " acme\\e.*|\\q", REFERRAL_AGENT_CRAWLER, 1);
    matches(agents, BROWSER " Acme", REFERRAL_AGENT_BROWSER, 0);
    matches(agents, "strange/1 " BROWSER, REFERRAL_AGENT_CRAWLER, 1);
    matches(agents, BROWSER " Strange/1", REFERRAL_AGENT_BROWSER, 0);
    matches(agents, BROWSER " Last One", REFERRAL_AGENT_CRAWLER, 1);
    matches(agents, BROWSER " #tail", REFERRAL_AGENT_BROWSER, 0);
    matches(agents, "curl/8.5.0", REFERRAL_AGENT_CRAWLER, 0);
    matches(agents, "", REFERRAL_AGENT_EMPTY, 0);

    req = page();
    req.user_agent = str("strange/1");
    is(&req, agents, REFERRAL_CLASS_CRAWLER, REFERRAL_WHY_BOTS_FILE,
       "the program's own list");

    referral_agents_free(agents);
}


static void
undecided(void)
{
    char                agent[REFERRAL_AGENT_BYTES];
    referral_agents_t  *agents;
    referral_request_t  req;

    /* the trial does not think of these letters */

    agents = create("~(?:\\xe9|\\xe9\\xe9)+!\\d");

    memset(agent, 0xe9, sizeof(agent));
    agent[sizeof(agent) - 1] = '!';

    req = page();
    req.user_agent.data = (unsigned char *) agent;
    req.user_agent.len = sizeof(agent);

    is(&req, agents, REFERRAL_CLASS_SUSPECT, REFERRAL_WHY_MATCH_LIMIT,
       "the match limit");

    referral_agents_free(agents);
}


static void
refused(const char *text, size_t len, unsigned want_line, const char *want)
{
    char                why[256];
    unsigned            line;
    referral_agents_t  *agents;

    agents = referral_agents_create(text, len, &line, why, sizeof(why));

    if (!tap_ok(agents == NULL && line == want_line
                && strstr(why, want) != NULL, "%s", want))
    {
        printf("#      got: line %u '%s'\n", line, agents ? "" : why);
    }

    if (agents != NULL) {
        referral_agents_free(agents);
    }
}


static void
refusals(void)
{
    char         text[8192];
    unsigned     i;
    const char  *slow;

    refused("ok\n~a(b\n", 8, 2, "regex does not compile at byte 3");
    refused("~(*UTF)a", 8, 1, "does not compile");
    refused("\n\n~", 3, 3, "regex is empty");
    refused("~a*", 3, 1, "regex matches an empty user agent");
    refused("a\0b", 3, 1, "line has a zero byte");

    slow = "ok\n~(a+)+$";
    refused(slow, strlen(slow), 2, "regex needs too many steps");

    slow = "~(?:xy|xyxy)+z";
    refused(slow, strlen(slow), 1, "regex needs too many steps");

    slow = "~^Acme (?:x+x+)+y";
    refused(slow, strlen(slow), 1, "regex needs too many steps");

    slow = "~(?:\\w+ ?)+$";
    refused(slow, strlen(slow), 1, "regex needs too many steps");

    memset(text, 'a', REFERRAL_AGENT_BYTES + 1);
    refused(text, REFERRAL_AGENT_BYTES + 1, 1, "line is longer than 512 bytes");

    text[0] = '\0';

    for (i = 0; i < 101; i++) {
        sprintf(text + strlen(text), "~x%u\n", i);
    }

    refused(text, strlen(text), 101, "more than 100 regexes");
}


/* More literals than one regex holds, each of them found. */

static void
many(void)
{
    int                 own, wrong;
    char               *text, agent[64];
    unsigned            i;
    referral_agents_t  *agents;

    text = malloc(5000 * 16);
    text[0] = '\0';

    for (i = 0; i < 5000; i++) {
        sprintf(text + i * 9, "x-%05u-\n", i);
    }

    agents = create(text);
    wrong = 0;

    for (i = 0; i < 5000; i++) {
        sprintf(agent, "Gecko/ x-%05u-", i);
        wrong += referral_agents_match(agents, str(agent), &own)
                 != REFERRAL_AGENT_CRAWLER || !own;
    }

    tap_ok(wrong == 0, "5,000 lines");

    referral_agents_free(agents);
    free(text);
}


/*
 * More strings than the cache has places, twice, and two answers: what is
 * there for another string is never given.
 */

static void
cache(referral_agents_t *agents)
{
    int               own, wrong;
    char              agent[64];
    unsigned          i, round;
    referral_agent_t  want;

    wrong = 0;

    for (round = 0; round < 2; round++) {
        for (i = 0; i < 20000; i++) {
            sprintf(agent, i % 2 ? "Gecko/%u" : "Gecko/%u crawl", i);
            want = i % 2 ? REFERRAL_AGENT_BROWSER : REFERRAL_AGENT_CRAWLER;
            wrong += referral_agents_match(agents, str(agent), &own) != want;
        }
    }

    tap_ok(wrong == 0, "20,000 user agents");
}


static void
cut(referral_agents_t *agents)
{
    char  agent[REFERRAL_AGENT_BYTES + 64];

    memset(agent, 'x', sizeof(agent));
    memcpy(agent, "Gecko/", 6);
    strcpy(agent + REFERRAL_AGENT_BYTES - 5, "crawl");
    matches(agents, agent, REFERRAL_AGENT_CRAWLER, 0);

    memset(agent, 'y', sizeof(agent));
    memcpy(agent, "Gecko/", 6);
    strcpy(agent + REFERRAL_AGENT_BYTES - 4, "crawl");
    matches(agents, agent, REFERRAL_AGENT_BROWSER, 0);
}


int
main(void)
{
    referral_agents_t  *agents;

    agents = create(NULL);

    headers();
    order(agents);
    metadata();
    cache(agents);
    cut(agents);
    matches(agents, BROWSER " [FBAN/FBIOS;FBCR/spider.com]",
            REFERRAL_AGENT_BROWSER, 0);
    matches(agents, BROWSER " spider.com", REFERRAL_AGENT_CRAWLER, 0);
    referral_agents_free(agents);

    own_list();
    undecided();
    refusals();
    many();

    return tap_done();
}
