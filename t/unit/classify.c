/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "referral_agents.h"
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

    req.sec_ch_ua = str("\"HeadlessChrome\";v=\"142\"");
    is(&req, agents, REFERRAL_CLASS_CRAWLER, REFERRAL_WHY_CLIENT_HINTS,
       "Sec-CH-UA");

    req.from = str("robot@example.com");
    is(&req, agents, REFERRAL_CLASS_CRAWLER, REFERRAL_WHY_BOT_HEADER, "From");

    req.x_scanner = str("Netsparker");
    is(&req, agents, REFERRAL_CLASS_SCANNER, REFERRAL_WHY_BOT_HEADER,
       "X-Scanner");

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


/* The host of a Referer; "" for none. */

static void
host(const char *referer, const char *want)
{
    referral_str_t  got;

    got = referral_referer_host(str(referer));

    tap_ok(got.len == strlen(want) && memcmp(got.data, want, got.len) == 0,
           "the host of '%s' is '%.*s'", referer, (int) got.len,
           (const char *) got.data);
}


static void
hosts(void)
{
    host("https://a.example/b?c", "a.example");
    host("HTTP://A.example:80", "A.example");
    host("https://a.example.", "a.example");
    host("https://a.example\\@b.example/", "a.example");
    host("https://a.example?@b.example/", "a.example");
    host("https://a.example#b", "a.example");
    host("https://u@a.example/", "u@a.example");
    host("https://", "");
    host("https:///", "");
    host("https://.", "");
    host("//a.example/", "");
    host("android-app://com.a.example/", "");
    host("a.example", "");
    host("", "");

    tap_ok(referral_host_is(str("A.Example"), "a.example")
           && !referral_host_is(str("b.a.example"), "a.example")
           && !referral_host_is(str("a.example.b"), "a.example"),
           "one host");
    tap_ok(referral_host_is(str("a.example"), ".a.example")
           && referral_host_is(str("c.B.a.example"), ".a.example")
           && !referral_host_is(str("ba.example"), ".a.example")
           && !referral_host_is(str(".example"), ".a.example")
           && !referral_host_is(str(""), ".a.example"),
           "all below one");
}


static void
args(void)
{
    tap_ok(referral_args_paid(str("gclid=1"))
           && referral_args_paid(str("a=b&gclid"))
           && referral_args_paid(str("&&gad_source=&a"))
           && !referral_args_paid(str("a=gclid&xgclid=1&gclidx&Gclid=1"))
           && referral_args_paid(str("a=&gclid=1&b"))
           && !referral_args_paid(str("=gclid"))
           && !referral_args_paid(str("")),
           "parameters of advertisers");
}


/* Of what claims to be this, over TLS and without Fetch metadata. */

static void
claims(const char *agent, int modern)
{
    referral_why_t      why;
    referral_request_t  req;

    req = page();
    req.user_agent = str(agent);
    req.accept_language = str("en");
    req.tls = 1;

    tap_ok(referral_signals(&req, &why) == modern
           && (!modern || why == REFERRAL_WHY_NO_FETCH_METADATA),
           "%s", agent);

    req.sec_fetch_mode = str("navigate");
    tap_ok(!referral_signals(&req, &why), "and with them");
}


static void
engines(void)
{
    char  agent[REFERRAL_AGENT_BYTES + 64];

    claims(BROWSER, 1);
    claims("Chrome/80", 1);
    claims("Chrome/79.9", 0);
    claims("Chrome/", 0);
    claims("Chrome", 0);
    claims("Chrome/x Firefox/90", 1);
    claims("Chrome/70 Firefox/90", 0);
    claims("Chrome/99999999999999999999", 1);
    claims("Version/16.4 Safari/604.1", 1);
    claims("Version/16.3 Safari/604.1", 0);
    claims("Version/16 Safari/604.1", 0);
    claims("Version/17 Safari/604.1", 1);
    claims("Version/17.0", 0);
    claims("FxiOS/145.0 Safari/604.1", 0);
    claims("", 0);

    memset(agent, 'x', sizeof(agent));
    strcpy(agent + REFERRAL_AGENT_BYTES, "Chrome/142.0");
    claims(agent, 0);
}


/*
 * What is bad for the list itself: each of its parts, over and over, as far
 * as it can be written down.  None of them is more than it can take.
 */

static void
baits(referral_agents_t *agents)
{
    int                 own, undecided;
    char               *p, agent[8192];
    size_t              len;
    unsigned            i;
    const char         *c;
    referral_str_t      ua;
    const char *const  *part;

    undecided = 0;

    for (i = 0; i < REFERRAL_LISTS; i++) {
        for (part = referral_agents_lists[i].list; *part != NULL; part++) {
            memcpy(agent, "Gecko/", 6);
            p = agent + 6;

            for (c = *part; *c != '\0'; c++) {
                if (strchr("\\^$[]|()?*+{}<!:", *c) == NULL) {
                    *p++ = *c;
                }
            }

            len = (size_t) (p - agent - 6);

            for ( /* void */ ; len != 0 && p < agent + sizeof(agent); p++) {
                *p = *(p - len);
            }

            ua.data = (unsigned char *) agent;
            ua.len = sizeof(agent);
            undecided += referral_agents_match(agents, ua, &own)
                         == REFERRAL_AGENT_UNDECIDED;

            /* almost: the last letter of each is wrong */

            for (p = agent + 5 + len; len != 0 && p < agent + sizeof(agent);
                 p += len)
            {
                *p = '\xff';
            }

            undecided += referral_agents_match(agents, ua, &own)
                         == REFERRAL_AGENT_UNDECIDED;
        }
    }

    tap_ok(undecided == 0, "baits for the built-in list");
}


static void
jit(referral_agents_t *agents)
{
    uint32_t  has;

    pcre2_config(PCRE2_CONFIG_JIT, &has);
    tap_ok(referral_agents_jit(agents) == (int) has, "machine code");
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
previews(referral_agents_t *agents)
{
    size_t                    i;
    static const char *const  names[] = {
        "facebookexternalhit/1.1", "Facebot", "meta-externalfetcher/1.1",
        "WhatsApp/2.23.20.0 N", "Slackbot-LinkExpanding 1.0",
        "Slack-ImgProxy (+https://api.slack.com/robots)", "Twitterbot/1.0",
        "Mozilla/5.0 (compatible; Discordbot/2.0)", "TelegramBot",
        "LinkedInBot/1.0", "SkypeUriPreview Preview/0.5",
        "MicrosoftPreview/2.0", "Pinterestbot/1.0", "redditbot/1.0",
        "Mozilla/5.0 (compatible; vkShare)", "Embedly/0.2",
        "Iframely/1.3.1 (+https://iframely.com/docs/about)",
        "http.rb/5.1 (Mastodon/4.2.1; +https://a.example/)",
        BROWSER " facebookexternalhit/1.1 Facebot Twitterbot/1.0"
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        matches(agents, names[i], REFERRAL_AGENT_PREVIEW, 0);
    }
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
    hosts();
    args();
    engines();
    baits(agents);
    jit(agents);
    cache(agents);
    cut(agents);
    previews(agents);
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
