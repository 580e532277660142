/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "referral_agents.h"


#define REFERRAL_AGENT_MATCH_LIMIT  10000
#define REFERRAL_AGENT_DEPTH_LIMIT  250
#define REFERRAL_AGENT_HEAP_LIMIT   128     /* KiB */

#define REFERRAL_AGENT_BEGINNINGS   8       /* of one group */

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
static int referral_agents_order(const void *one, const void *two);
static char *referral_agents_spread(char *p, const char **parts, size_t n);
static size_t referral_agents_bytes(char **p, const char **parts, size_t n);
static char *referral_agents_write(char *p, const char **parts, size_t n,
    size_t shared);
static size_t referral_agents_alike(const char *one, const char *two);
static size_t referral_agents_unit(const char *p);


/* What is looked at of a user agent. */

static referral_str_t
referral_agents_begin(referral_str_t ua)
{
    if (ua.len > REFERRAL_AGENT_BYTES) {
        ua.len = REFERRAL_AGENT_BYTES;
    }

    return ua;
}


referral_agent_t
referral_agents_match(referral_agents_t *agents, referral_str_t ua, int *own)
{
    referral_nh_t  hash;

    *own = 0;
    ua = referral_agents_begin(ua);

    if (!agents->keyed) {

        if (getrandom(&agents->key, sizeof(agents->key), GRND_NONBLOCK)
            != sizeof(agents->key))
        {
            return (ua.len != 0) ? referral_agents_decide(agents, ua, own)
                                 : REFERRAL_AGENT_EMPTY;
        }

        agents->keyed = 1;
    }

    hash = referral_nh(&agents->key, ua.data, ua.len);

    return referral_agents_match_hash(agents, ua, &hash, own);
}


referral_agent_t
referral_agents_match_hash(referral_agents_t *agents, referral_str_t ua,
    const referral_nh_t *hash, int *own)
{
    referral_agent_t          verdict;
    referral_agents_entry_t  *entry;

    *own = 0;

    if (ua.len == 0) {
        return REFERRAL_AGENT_EMPTY;
    }

    entry = &agents->cache[hash->high % REFERRAL_AGENT_CACHE];

    if (entry->used && entry->hash.low == hash->low
        && entry->hash.high == hash->high)
    {
        *own = entry->own;
        return (referral_agent_t) entry->verdict;
    }

    verdict = referral_agents_decide(agents, referral_agents_begin(ua), own);

    entry->hash = *hash;
    entry->verdict = (uint8_t) verdict;
    entry->own = (uint8_t) *own;
    entry->used = 1;

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
referral_agents_jit(const referral_agents_t *agents)
{
    size_t  size;

    return pcre2_pattern_info(agents->any, PCRE2_INFO_JITSIZE, &size) == 0
           && size != 0;
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


static int
referral_agents_order(const void *one, const void *two)
{
    return strcmp(*(const char *const *) one, *(const char *const *) two);
}


/*
 * One regex of several lists.  What begins alike is written once, and a few
 * beginnings stand behind a look at the next byte: so most bytes are passed
 * after some comparisons.  That is what makes it fast.
 */

static pcre2_code *
referral_agents_join(unsigned first, unsigned last, char *why, size_t why_size)
{
    char               *pattern, *end;
    size_t              n, len;
    unsigned            i;
    pcre2_code         *code;
    const char        **parts;
    const char *const  *part;

    n = 0;
    len = 0;

    for (i = first; i <= last; i++) {
        for (part = referral_agents_lists[i].list; *part != NULL; part++) {
            len += strlen(*part) + sizeof("|(?=[\\a])(?:(?:))");
            n++;
        }
    }

    code = NULL;
    pattern = malloc(len);
    parts = malloc(n * sizeof(const char *));

    if (pattern != NULL && parts != NULL) {
        n = 0;

        for (i = first; i <= last; i++) {
            for (part = referral_agents_lists[i].list; *part != NULL; part++) {
                parts[n++] = *part;
            }
        }

        qsort(parts, n, sizeof(const char *), referral_agents_order);
        end = referral_agents_spread(pattern, parts, n);

        code = referral_agents_compile(pattern, (size_t) (end - pattern), 0,
                                       why, why_size);
    }

    free(pattern);
    free(parts);

    return code;
}


/* Writes parts in order, in groups of those that begin with the same bytes. */

static char *
referral_agents_spread(char *p, const char **parts, size_t n)
{
    char    *start, *group;
    size_t   i, k;

    start = p;

    for (i = 0; i < n; i = k) {

        if (p != start) {
            *p++ = '|';
        }

        group = p;
        p = stpcpy(p, "(?=[");
        k = i + referral_agents_bytes(&p, parts + i, n - i);

        if (k == i) {
            k++;
            p = stpcpy(group, parts[i]);

        } else {
            p = stpcpy(p, "])(?:");
            p = referral_agents_write(p, parts + i, k - i, 0);
            *p++ = ')';
        }
    }

    return p;
}


/* Writes their first bytes; returns how many parts have one of these. */

static size_t
referral_agents_bytes(char **p, const char **parts, size_t n)
{
    size_t  i, unit, bytes;

    bytes = 0;

    for (i = 0; i < n; i++) {
        unit = referral_agents_unit(parts[i]);

        if (unit == 0 || *parts[i] == '^') {
            break;
        }

        if (i != 0 && strncmp(parts[i], parts[i - 1], unit) == 0) {
            continue;
        }

        if (bytes++ == REFERRAL_AGENT_BEGINNINGS) {
            break;
        }

        if (*parts[i] == '-') {
            *(*p)++ = '\\';
        }

        memcpy(*p, parts[i], unit);
        *p += unit;
    }

    return i;
}


/* Writes parts in order, without the beginning that all of them share. */

static char *
referral_agents_write(char *p, const char **parts, size_t n, size_t shared)
{
    size_t  i, k, len;

    for (i = 0; i < n; i = k) {

        for (k = i + 1; k < n; k++) {
            if (!referral_agents_alike(parts[i] + shared, parts[k] + shared)) {
                break;
            }
        }

        if (i != 0) {
            *p++ = '|';
        }

        if (k == i + 1) {
            p = stpcpy(p, parts[i] + shared);
            continue;
        }

        /* in order: what the first and the last share, all do */

        len = referral_agents_alike(parts[i] + shared, parts[k - 1] + shared);

        memcpy(p, parts[i] + shared, len);
        p = stpcpy(p + len, "(?:");
        p = referral_agents_write(p, parts + i, k - i, shared + len);
        *p++ = ')';
    }

    return p;
}


/* How many bytes of a regex that begin both can stand before a group. */

static size_t
referral_agents_alike(const char *one, const char *two)
{
    size_t  len, n;

    for (len = 0; one[len] != '\0'; len += n) {
        n = referral_agents_unit(one + len);

        if (n == 0 || strncmp(one + len, two + len, n) != 0
            || referral_agents_unit(two + len) == 0)
        {
            break;
        }
    }

    return len;
}


/* The length of one byte's match, or of "^"; 0 for anything else. */

static size_t
referral_agents_unit(const char *p)
{
    size_t  n;

    n = (*p == '\\' && ispunct((unsigned char) p[1])) ? 2
        : (strchr("\\$.[]|()?*+{}", *p) == NULL) ? 1 : 0;

    return (n != 0 && (p[n] == '\0' || strchr("?*+{", p[n]) == NULL)) ? n : 0;
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
