/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "referral_agents.h"
#include "referral_siphash.h"


#define REFERRAL_AGENT_MATCH_LIMIT  10000
#define REFERRAL_AGENT_DEPTH_LIMIT  250
#define REFERRAL_AGENT_HEAP_LIMIT   128     /* KiB */

/*
 * A cache entry is the hash, of which the low bits have chosen the place and
 * so are free for the verdict.  Zero is an empty entry.
 */

#define REFERRAL_CACHE_VERDICT      0x0f
#define REFERRAL_CACHE_OWN          0x10
#define REFERRAL_CACHE_USED         0x20

/* Nobody's regex may switch UTF on: a user agent is bytes. */

#define REFERRAL_AGENT_OPTIONS                                                \
    (PCRE2_CASELESS|PCRE2_NO_AUTO_CAPTURE|PCRE2_NEVER_UTF|PCRE2_NEVER_UCP     \
     |PCRE2_NEVER_BACKSLASH_C)


static referral_agent_t referral_agents_decide(referral_agents_t *agents,
    referral_str_t ua, int *own);
static int referral_agents_builtin(referral_agents_t *agents, char *why,
    size_t why_size);
static pcre2_code *referral_agents_join(unsigned first, unsigned last,
    char *why, size_t why_size);
static char *referral_agents_group(char *p, unsigned first, unsigned last,
    char letter);


referral_agent_t
referral_agents_match(referral_agents_t *agents, referral_str_t ua, int *own)
{
    uint64_t          hash, *entry;
    referral_agent_t  verdict;

    *own = 0;

    if (ua.len == 0) {
        return REFERRAL_AGENT_EMPTY;
    }

    if (ua.len > REFERRAL_AGENT_BYTES) {
        ua.len = REFERRAL_AGENT_BYTES;
    }

    if (!agents->keyed) {

        if (getrandom(agents->key, sizeof(agents->key), GRND_NONBLOCK)
            != sizeof(agents->key))
        {
            return referral_agents_decide(agents, ua, own);
        }

        agents->keyed = 1;
    }

    hash = referral_siphash(agents->key, ua.data, ua.len);
    entry = &agents->cache[hash % REFERRAL_AGENT_CACHE];
    hash -= hash % REFERRAL_AGENT_CACHE;

    if ((*entry & REFERRAL_CACHE_USED)
        && *entry - *entry % REFERRAL_AGENT_CACHE == hash)
    {
        *own = (*entry & REFERRAL_CACHE_OWN) != 0;
        return (referral_agent_t) (*entry & REFERRAL_CACHE_VERDICT);
    }

    verdict = referral_agents_decide(agents, ua, own);

    *entry = hash | REFERRAL_CACHE_USED | (unsigned) verdict
             | (*own ? REFERRAL_CACHE_OWN : 0);

    return verdict;
}


static referral_agent_t
referral_agents_decide(referral_agents_t *agents, referral_str_t ua, int *own)
{
    int       rc, browser;
    unsigned  i;

    for (i = 0; i < agents->nown; i++) {
        rc = referral_agents_run(agents, agents->own[i], ua, 0);

        if (rc != 0) {
            *own = (rc > 0);
            return *own ? REFERRAL_AGENT_CRAWLER : REFERRAL_AGENT_UNDECIDED;
        }
    }

    browser = referral_agents_run(agents, agents->lists[REFERRAL_LIST_BROWSER],
                                  ua, 0);
    rc = browser > 0 ? referral_agents_run(agents, agents->any, ua, 0) : 1;

    if (browser < 0 || rc < 0) {
        return REFERRAL_AGENT_UNDECIDED;
    }

    if (rc == 0) {
        return REFERRAL_AGENT_BROWSER;
    }

    /* only a browser can be an exception */

    i = browser ? REFERRAL_LIST_HUMAN : REFERRAL_LIST_PREVIEW;

    for ( /* void */ ; i < REFERRAL_LIST_CRAWLER; i++) {
        rc = referral_agents_run(agents, agents->lists[i], ua, 0);

        if (rc != 0) {
            return (rc > 0) ? referral_agents_lists[i].verdict
                            : REFERRAL_AGENT_UNDECIDED;
        }
    }

    return REFERRAL_AGENT_CRAWLER;
}


int
referral_agents_run(referral_agents_t *agents, const pcre2_code *code,
    referral_str_t ua, uint32_t options)
{
    int  rc;

    rc = pcre2_match(code, ua.data, ua.len, 0, options, agents->data,
                     agents->context);

    if (rc == PCRE2_ERROR_NOMATCH) {
        return 0;
    }

    return (rc >= 0) ? 1 : -1;
}


referral_agents_t *
referral_agents_create(const char *text, size_t len, unsigned *line, char *why,
    size_t why_size)
{
    referral_agents_t  *agents;

    *line = 0;
    snprintf(why, why_size, "out of memory");

    agents = calloc(1, sizeof(referral_agents_t));

    if (agents == NULL) {
        return NULL;
    }

    if (!referral_agents_builtin(agents, why, why_size)
        || (text != NULL
            && !referral_agents_read(agents, text, len, line, why, why_size)))
    {
        referral_agents_free(agents);
        return NULL;
    }

    return agents;
}


void
referral_agents_free(referral_agents_t *agents)
{
    unsigned  i;

    for (i = 0; i < REFERRAL_LIST_CRAWLER; i++) {
        pcre2_code_free(agents->lists[i]);
    }

    pcre2_code_free(agents->any);

    for (i = 0; i < agents->nown; i++) {
        pcre2_code_free(agents->own[i]);
    }

    pcre2_match_data_free(agents->data);
    pcre2_match_context_free(agents->context);

    free(agents->own);
    free(agents);
}


static int
referral_agents_builtin(referral_agents_t *agents, char *why, size_t why_size)
{
    unsigned  i;

    agents->context = pcre2_match_context_create(NULL);
    agents->data = pcre2_match_data_create(1, NULL);

    if (agents->context == NULL || agents->data == NULL) {
        return 0;
    }

    pcre2_set_match_limit(agents->context, REFERRAL_AGENT_MATCH_LIMIT);
    pcre2_set_depth_limit(agents->context, REFERRAL_AGENT_DEPTH_LIMIT);
    pcre2_set_heap_limit(agents->context, REFERRAL_AGENT_HEAP_LIMIT);

    for (i = 0; i < REFERRAL_LIST_CRAWLER; i++) {
        agents->lists[i] = referral_agents_join(i, i, why, why_size);

        if (agents->lists[i] == NULL) {
            return 0;
        }
    }

    agents->any = referral_agents_join(REFERRAL_LIST_HUMAN,
                                       REFERRAL_LIST_CRAWLER, why, why_size);

    return agents->any != NULL;
}


/*
 * One regex of several lists.  At each byte it tries one letter, not every
 * part: that is what makes it fast.
 */

static pcre2_code *
referral_agents_join(unsigned first, unsigned last, char *why, size_t why_size)
{
    char               *pattern, *p, letter;
    size_t              len;
    unsigned            i;
    pcre2_code         *code;
    const char *const  *part;

    len = 0;

    for (i = first; i <= last; i++) {
        for (part = referral_agents_lists[i].list; *part != NULL; part++) {
            len += strlen(*part) + sizeof("|a(?:)");
        }
    }

    pattern = malloc(len);

    if (pattern == NULL) {
        return NULL;
    }

    p = referral_agents_group(pattern, first, last, '\0');

    for (letter = 'a'; letter <= 'z'; letter++) {
        p = referral_agents_group(p, first, last, letter);
    }

    /* without the last "|" */

    code = referral_agents_compile(pattern, (size_t) (p - pattern - 1), 0,
                                   why, why_size);
    free(pattern);

    return code;
}


/* Writes the parts that begin with the letter, or, for '\0', with none. */

static char *
referral_agents_group(char *p, unsigned first, unsigned last, char letter)
{
    char               *start, c;
    unsigned            i;
    const char *const  *part;

    start = p;

    for (i = first; i <= last; i++) {
        for (part = referral_agents_lists[i].list; *part != NULL; part++) {

            c = (**part >= 'a' && **part <= 'z') ? **part : '\0';

            if (c != letter) {
                continue;
            }

            if (p == start && letter) {
                *p++ = letter;
                p = stpcpy(p, "(?:");
            }

            p = stpcpy(p, *part + (letter != '\0'));
            *p++ = '|';
        }
    }

    if (p != start && letter) {
        p[-1] = ')';
        *p++ = '|';
    }

    return p;
}


pcre2_code *
referral_agents_compile(const char *pattern, size_t len, uint32_t options,
    char *why, size_t why_size)
{
    int            rc;
    PCRE2_SIZE     offset;
    pcre2_code    *code;
    unsigned char  message[128];

    code = pcre2_compile((PCRE2_SPTR) pattern, len,
                         REFERRAL_AGENT_OPTIONS|options, &rc, &offset, NULL);

    if (code == NULL) {
        pcre2_get_error_message(rc, message, sizeof(message));
        snprintf(why, why_size, "regex does not compile at byte %zu: %s",
                 (size_t) offset, (char *) message);
        return NULL;
    }

    /* where code must not be made at run time, matching is only slower */

    (void) pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);

    return code;
}
