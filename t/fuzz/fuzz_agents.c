/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Headers of a visitor, a line each, into a class; or, when the first byte is
 * odd, lines of a program's own list of user agents.
 */

#include "fuzz.h"
#include "referral_agents.h"


#define LINES  1024     /* bytes of a list: to try a regex takes time */

static referral_agents_t  *agents;


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char      why[256];
    unsigned  line;

    (void) argc;
    (void) argv;

    agents = referral_agents_create(NULL, 0, &line, why, sizeof(why));
    FUZZ_ASSERT(agents != NULL);

    return 0;
}


static void
read_request(fuzz_t *f, referral_request_t *req)
{
    size_t    i;
    unsigned  how;

    referral_str_t *const  lines[] = {
        &req->user_agent, &req->accept, &req->sec_purpose, &req->x_purpose,
        &req->x_moz, &req->sec_fetch_dest, &req->sec_fetch_mode,
        &req->accept_language, &req->referer, &req->sec_fetch_site,
        &req->sec_fetch_user, &req->sec_ch_ua, &req->from, &req->x_scanner
    };

    memset(req, 0, sizeof(referral_request_t));
    how = fuzz_byte(f);
    req->method = (referral_method_t) (how >> 1 & 3);
    req->tls = how >> 3 & 1;

    for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        *lines[i] = fuzz_line(f);
    }
}


static void
check_referer(const referral_request_t *req)
{
    referral_str_t  host;

    host = referral_referer_host(req->referer);

    FUZZ_ASSERT(fuzz_within(host, req->referer));
    FUZZ_ASSERT(host.len == 0 || memchr(host.data, '/', host.len) == NULL);
    FUZZ_ASSERT(!referral_host_is(host, "shop.example")
                || referral_host_is(host, ".shop.example"));
    FUZZ_ASSERT(!referral_host_is(host, ".shop.example") || host.len >= 12);

    (void) referral_no_activation(req);
    (void) referral_args_paid(req->referer);
}


/* Once more from the cache, which says the same; and without any list. */

static void
fuzz_request(fuzz_t *f)
{
    int                  own, again;
    referral_why_t       why, why_again;
    referral_agent_t     agent;
    referral_class_t     class;
    referral_request_t   req;

    read_request(f, &req);

    class = referral_classify(&req, agents, &why);

    FUZZ_ASSERT(class < REFERRAL_CLASS_SELF && why < REFERRAL_WHYS);
    FUZZ_ASSERT((class == REFERRAL_CLASS_HUMAN)
                == (why == REFERRAL_WHY_NAVIGATION));
    FUZZ_ASSERT(req.method == REFERRAL_METHOD_GET
                || class != REFERRAL_CLASS_HUMAN);
    FUZZ_ASSERT(referral_classify(&req, agents, &why_again) == class
                && why_again == why);

    (void) referral_classify(&req, NULL, &why_again);
    FUZZ_ASSERT(why_again != REFERRAL_WHY_USER_AGENT);

    agent = referral_agents_match(agents, req.user_agent, &own);
    FUZZ_ASSERT(agent <= REFERRAL_AGENT_UNDECIDED && !own);
    FUZZ_ASSERT((agent == REFERRAL_AGENT_EMPTY) == (req.user_agent.len == 0));
    FUZZ_ASSERT(referral_agents_match(agents, req.user_agent, &again)
                == agent);

    FUZZ_ASSERT(referral_gpc_on(req.accept)
                == (req.accept.len == 1 && req.accept.data[0] == '1'));

    check_referer(&req);
}


static void
fuzz_lines(referral_str_t text)
{
    int        own;
    char       why[256];
    size_t     i;
    unsigned   line, n;

    line = 0;
    why[0] = '\0';

    if (text.len > LINES) {
        return;
    }

    if (!referral_agents_read(agents, (const char *) text.data, text.len,
                              &line, why, sizeof(why)))
    {
        FUZZ_ASSERT(why[0] != '\0' && memchr(why, '\0', sizeof(why)) != NULL);
    }

    for (i = 0, n = 1; i < text.len; i++) {
        n += (text.data[i] == '\n');
    }

    FUZZ_ASSERT(line <= n);

    memset(agents->cache, 0, sizeof(agents->cache));
    (void) referral_agents_match(agents, text, &own);
    (void) referral_agents_match(agents, fuzz_str("Mozilla/5.0 (X11; Linux "
        "x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"), &own);

    /* as it was before */

    for (n = 0; n < agents->nown; n++) {
        pcre2_code_free(agents->own[n]);
    }

    free(agents->own);
    agents->own = NULL;
    agents->nown = 0;
    memset(agents->cache, 0, sizeof(agents->cache));
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_t  f;

    fuzz_init(&f, data, size);

    if (size != 0 && (*data & 1)) {
        f.p++;
        fuzz_lines(fuzz_rest(&f));

    } else {
        fuzz_request(&f);
    }

    fuzz_free(&f);

    return 0;
}
