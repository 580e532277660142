/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What kind of visitor hit a link.  Pure functions, no nginx; PCRE2 for the
 * user-agent lists, in contexts of their own and within limits.
 */

#ifndef REFERRAL_CLASSIFY_H
#define REFERRAL_CLASSIFY_H

#include "referral_store.h"
#include "referral_nh.h"


/* A compiled list of user agents: the built-in one, or a program's own. */

typedef struct referral_agents_s  referral_agents_t;

typedef enum {
    REFERRAL_AGENT_BROWSER = 0,     /* looks like a browser */
    REFERRAL_AGENT_CRAWLER,
    REFERRAL_AGENT_PREVIEW,
    REFERRAL_AGENT_SCANNER,
    REFERRAL_AGENT_EMPTY,
    REFERRAL_AGENT_UNDECIDED        /* the match limit was hit */
} referral_agent_t;

#define REFERRAL_AGENT_BYTES    512     /* of a user agent that are looked at */

/*
 * The built-in list, with a text of additional lines when text is not NULL:
 * one literal or "~regex" per line, case-insensitive; lines that begin with
 * "#" are comments.  Returns NULL with the line (0: the built-in list) and a
 * phrase in why.  Made once, before fork; the cache in it is per process.  Not
 * thread-safe.
 */

referral_agents_t *referral_agents_create(const char *text, size_t len,
    unsigned *line, char *why, size_t why_size);
void referral_agents_free(referral_agents_t *agents);

/*
 * Reads on in such a text that is good, up to an entry that is hardly meant
 * so: one that a plain browser matches, or with what looks like a comment
 * behind it.  Returns a phrase about it, or NULL at the end.
 */

const char *referral_agents_doubt(referral_agents_t *agents,
    const char **text, const char *end, unsigned *line);

/*
 * One user agent; *own is set when the program's own list said so.  Cached by
 * a hash of its first REFERRAL_AGENT_BYTES, so the usual cost is that of the
 * hash; the caller who has it already hands it over.
 */

referral_agent_t referral_agents_match(referral_agents_t *agents,
    referral_str_t user_agent, int *own);
referral_agent_t referral_agents_match_hash(referral_agents_t *agents,
    referral_str_t user_agent, const referral_nh_t *hash, int *own);

/* Whether its regexes are machine code; without, a look takes some ten times
   as long. */

int referral_agents_jit(const referral_agents_t *agents);


typedef enum {
    REFERRAL_METHOD_GET = 0,
    REFERRAL_METHOD_HEAD,
    REFERRAL_METHOD_OPTIONS,
    REFERRAL_METHOD_OTHER
} referral_method_t;

/* What a decision is made of.  Absent headers are strings of length 0. */

typedef struct {
    referral_method_t       method;
    unsigned                tls;
    referral_str_t          user_agent;
    const referral_nh_t    *agent;          /* of the user agent, by a key of
                                               the caller; NULL: not made */
    referral_str_t          accept;
    referral_str_t          accept_language;
    referral_str_t          referer;
    referral_str_t          sec_purpose;
    referral_str_t          purpose;        /* what it was called before */
    referral_str_t          x_purpose;
    referral_str_t          x_moz;
    referral_str_t          sec_fetch_dest;
    referral_str_t          sec_fetch_mode;
    referral_str_t          sec_fetch_site;
    referral_str_t          sec_fetch_user;
    referral_str_t          sec_ch_ua;
    referral_str_t          from;
    referral_str_t          x_scanner;
} referral_request_t;

/*
 * The class of a hit on a link, by the cheapest test that decides: method,
 * prefetch headers, Fetch metadata (W3C; unknown tokens are ignored), headers
 * that only robots send, user agent, Accept, and what gives a scanner away
 * that calls itself a browser.  agents NULL: neither robots nor scanners are
 * looked for.  Never SELF, UNKNOWN or INACTIVE: those need the code.
 */

referral_class_t referral_classify(const referral_request_t *req,
    referral_agents_t *agents, referral_why_t *why);

/* Sec-Fetch-Site: a page of the same origin asks. */

int referral_same_origin(referral_str_t site);

/* Sec-GPC, W3C section 3.3: on only when the value is exactly "1". */

int referral_gpc_on(referral_str_t value);


/* referral_signals.c */

/*
 * What calls itself a browser, but came through the page of a mail gateway, or
 * over TLS without the headers that this browser sends there.
 */

int referral_signals(const referral_request_t *req, referral_why_t *why);

/* A page of another site went there by itself: nobody clicked or pressed. */

int referral_no_activation(const referral_request_t *req);

/* The host of an http(s) URL, without port and the dot at its end; or empty. */

referral_str_t referral_referer_host(referral_str_t referer);

/* In any case; a pattern ".host" is that host and all hosts below it. */

int referral_host_is(referral_str_t host, const char *pattern);
int referral_host_in(referral_str_t host, const char *const *patterns);

/* A query has a parameter that advertisers add to what they pay for. */

int referral_args_paid(referral_str_t args);


#endif /* REFERRAL_CLASSIFY_H */
