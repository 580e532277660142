/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "referral_agents.h"


#define REFERRAL_AGENT_REGEXES      100
#define REFERRAL_AGENT_PATTERN      16384   /* bytes of literals in one */

/* What a regex gives a meaning to, and "#" and " " for (?x). */

#define REFERRAL_AGENT_SPECIAL      "\\^$.[]|()?*+{}-#/ \t"


typedef struct {
    referral_agents_t    *agents;
    unsigned              regexes;
    size_t                len;              /* of the literals gathered */
    char                  literals[REFERRAL_AGENT_PATTERN];
    char                 *why;
    size_t                why_size;
} referral_agents_reader_t;


static int referral_agents_line(referral_agents_reader_t *reader,
    const char *p, size_t len);
static int referral_agents_literal(referral_agents_reader_t *reader,
    const char *p, size_t len);
static int referral_agents_flush(referral_agents_reader_t *reader);
static int referral_agents_regex(referral_agents_reader_t *reader,
    const char *p, size_t len);
static const char *referral_agents_trial(referral_agents_t *agents,
    const char *p, size_t len);
static size_t referral_agents_sample(const char *p, size_t len, char *out);
static int referral_agents_try(referral_agents_t *agents,
    const pcre2_code *code, const char *before, size_t before_len,
    const char *unit, size_t unit_len);
static int referral_agents_own(referral_agents_reader_t *reader,
    pcre2_code *code);
static int referral_agents_refuse(referral_agents_reader_t *reader,
    const char *phrase);


int
referral_agents_read(referral_agents_t *agents, const char *text, size_t len,
    unsigned *line, char *why, size_t why_size)
{
    int                        ok;
    const char                *p, *end, *next;
    referral_agents_reader_t  *reader;

    reader = calloc(1, sizeof(referral_agents_reader_t));

    if (reader == NULL) {
        return 0;
    }

    reader->agents = agents;
    reader->why = why;
    reader->why_size = why_size;

    ok = 1;
    end = text + len;

    for (p = text; ok && p < end; p = next + 1) {
        (*line)++;

        next = memchr(p, '\n', (size_t) (end - p));

        if (next == NULL) {
            next = end;
        }

        ok = referral_agents_line(reader, p, (size_t) (next - p));
    }

    ok = ok && referral_agents_flush(reader);
    free(reader);

    return ok;
}


static int
referral_agents_line(referral_agents_reader_t *reader, const char *p,
    size_t len)
{
    if (memchr(p, '\0', len) != NULL) {
        return referral_agents_refuse(reader, "line has a zero byte");
    }

    while (len != 0 && strchr(" \t\r", p[len - 1]) != NULL) {
        len--;
    }

    while (len != 0 && strchr(" \t", *p) != NULL) {
        p++;
        len--;
    }

    if (len == 0 || *p == '#') {
        return 1;
    }

    if (len > REFERRAL_AGENT_BYTES) {
        return referral_agents_refuse(reader, "line is longer than 512 bytes");
    }

    if (*p == '~') {
        return referral_agents_regex(reader, p + 1, len - 1);
    }

    return referral_agents_literal(reader, p, len);
}


/* Quoted byte by byte: no literal can end the quoting, as "\E" would. */

static int
referral_agents_literal(referral_agents_reader_t *reader, const char *p,
    size_t len)
{
    char    *q;
    size_t   i;

    if (reader->len + 2 * len + 1 > sizeof(reader->literals)
        && !referral_agents_flush(reader))
    {
        return 0;
    }

    q = reader->literals + reader->len;

    if (reader->len != 0) {
        *q++ = '|';
    }

    for (i = 0; i < len; i++) {

        if (strchr(REFERRAL_AGENT_SPECIAL, p[i]) != NULL) {
            *q++ = '\\';
        }

        *q++ = p[i];
    }

    reader->len = (size_t) (q - reader->literals);

    return 1;
}


static int
referral_agents_flush(referral_agents_reader_t *reader)
{
    pcre2_code  *code;

    if (reader->len == 0) {
        return 1;
    }

    code = referral_agents_compile(reader->literals, reader->len, 0,
                                   reader->why, reader->why_size);
    reader->len = 0;

    return code != NULL && referral_agents_own(reader, code);
}


static int
referral_agents_regex(referral_agents_reader_t *reader, const char *p,
    size_t len)
{
    pcre2_code      *code;
    const char      *phrase;
    referral_str_t   nothing;

    if (len == 0) {
        return referral_agents_refuse(reader, "regex is empty");
    }

    if (reader->regexes++ == REFERRAL_AGENT_REGEXES) {
        return referral_agents_refuse(reader, "more than 100 regexes");
    }

    code = referral_agents_compile(p, len, 0, reader->why, reader->why_size);

    if (code == NULL) {
        return 0;
    }

    nothing.len = 0;
    nothing.data = (const unsigned char *) "";

    phrase = (referral_agents_run(reader->agents, code, nothing, 0) != 0)
             ? "regex matches an empty user agent"
             : referral_agents_trial(reader->agents, p, len);

    if (phrase != NULL) {
        pcre2_code_free(code);
        return referral_agents_refuse(reader, phrase);
    }

    return referral_agents_own(reader, code);
}


/*
 * Runs the regex on user agents that are bad for it: over and over what its
 * classes may take, its own characters one by one behind those before them,
 * and its beginnings as a word.
 */

static const char *
referral_agents_trial(referral_agents_t *agents, const char *p, size_t len)
{
    int                       ok;
    char                      letters[REFERRAL_AGENT_BYTES], why[128];
    size_t                    i, n;
    pcre2_code               *code;
    const char *const        *unit;
    static const char *const  units[] = {
        "a", "0", " ", ".", "/", "a ", "a/", "a.", "a-", "0.", NULL
    };

    code = referral_agents_compile(p, len, PCRE2_NO_START_OPTIMIZE, why,
                                   sizeof(why));
    if (code == NULL) {
        return "out of memory";
    }

    n = referral_agents_sample(p, len, letters);
    ok = 1;

    for (unit = units; ok && *unit != NULL; unit++) {
        ok = referral_agents_try(agents, code, letters, 0, *unit,
                                 strlen(*unit));
    }

    for (i = 0; ok && i < n; i++) {
        ok = referral_agents_try(agents, code, letters, i, letters + i, 1)
             && referral_agents_try(agents, code, letters, 0, letters, i + 1);
    }

    pcre2_code_free(code);

    return ok ? NULL : "regex needs too many steps on 512 bytes";
}


/* About what the regex matches, its alternatives one behind the other. */

static size_t
referral_agents_sample(const char *p, size_t len, char *out)
{
    size_t  n;

    for (n = 0; len != 0; p++, len--) {

        if (*p == '\\' && len > 1) {
            p++;
            len--;

            if (*p == 'w' || *p == 's' || *p == 'd') {
                out[n++] = (*p == 'w') ? 'a' : (*p == 's') ? ' ' : '0';

            } else if (strchr(REFERRAL_AGENT_SPECIAL, *p) != NULL) {
                out[n++] = *p;
            }

        } else if (*p == '(' && len > 1 && p[1] == '?') {

            while (len > 1 && strchr(":=!>)", *p) == NULL) {
                p++;
                len--;
            }

        } else if (strchr("\\^$[]|()?*+{}", *p) == NULL) {
            out[n++] = (*p == '.') ? 'a' : *p;
        }
    }

    return n;
}


/* Without JIT: the same file is good on every machine. */

static int
referral_agents_try(referral_agents_t *agents, const pcre2_code *code,
    const char *before, size_t before_len, const char *unit, size_t unit_len)
{
    size_t          i;
    unsigned char   subject[REFERRAL_AGENT_BYTES];
    referral_str_t  ua;

    memcpy(subject, before, before_len);

    for (i = before_len; i < sizeof(subject) - 1; i++) {
        subject[i] = (unsigned char) unit[(i - before_len) % unit_len];
    }

    subject[sizeof(subject) - 1] = 0x01;

    ua.len = sizeof(subject);
    ua.data = subject;

    return referral_agents_run(agents, code, ua, PCRE2_NO_JIT) >= 0;
}


static int
referral_agents_own(referral_agents_reader_t *reader, pcre2_code *code)
{
    pcre2_code         **own;
    referral_agents_t   *agents;

    agents = reader->agents;

    own = realloc(agents->own, (agents->nown + 1) * sizeof(pcre2_code *));

    if (own == NULL) {
        pcre2_code_free(code);
        return referral_agents_refuse(reader, "out of memory");
    }

    own[agents->nown++] = code;
    agents->own = own;

    return 1;
}


static int
referral_agents_refuse(referral_agents_reader_t *reader, const char *phrase)
{
    snprintf(reader->why, reader->why_size, "%s", phrase);

    return 0;
}
