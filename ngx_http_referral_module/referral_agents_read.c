/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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
static int referral_agents_entry(const char **p, size_t *len);
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
static const char *referral_agents_doubt_entry(referral_agents_t *agents,
    const char *p, size_t len);
static int referral_agents_has(referral_str_t text, const char *p,
    size_t len);


/* What people have, and what to say of an entry that matches it. */

static const struct {
    const char  *ua;
    const char  *phrase;
} referral_agents_people[] = {

    { "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 "
      "(KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
      "entry matches Chrome, whose visitors will not count," },

    { "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 "
      "Firefox/145.0",
      "entry matches Firefox, whose visitors will not count," },

    { "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 "
      "(KHTML, like Gecko) Version/18.6 Safari/605.1.15",
      "entry matches Safari, whose visitors will not count," },

    { "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like "
      "Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
      "entry matches phones with Android, whose visitors will not count," },

    { "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) "
      "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 "
      "Safari/604.1",
      "entry matches the iPhone, whose visitors will not count," },

    { NULL, NULL }
};


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

    if (!referral_agents_entry(&p, &len)) {
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


/* Without blanks around it; 0 when there is none. */

static int
referral_agents_entry(const char **p, size_t *len)
{
    while (*len != 0 && strchr(" \t\r", (*p)[*len - 1]) != NULL) {
        (*len)--;
    }

    while (*len != 0 && strchr(" \t", **p) != NULL) {
        (*p)++;
        (*len)--;
    }

    return *len != 0 && **p != '#';
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


const char *
referral_agents_doubt(referral_agents_t *agents, const char **text,
    const char *end, unsigned *line)
{
    const char  *p, *next, *phrase;

    phrase = NULL;

    while (phrase == NULL && *text < end) {
        (*line)++;

        p = *text;
        next = memchr(p, '\n', (size_t) (end - p));
        phrase = referral_agents_doubt_entry(agents, p, (size_t)
                                             ((next ? next : end) - p));
        *text = next ? next + 1 : end;
    }

    return phrase;
}


static const char *
referral_agents_doubt_entry(referral_agents_t *agents, const char *p,
    size_t len)
{
    int              found;
    char             why[128];
    unsigned         i;
    pcre2_code      *code;
    referral_str_t   ua;

    if (!referral_agents_entry(&p, &len)) {
        return NULL;
    }

    code = (*p == '~') ? referral_agents_compile(p + 1, len - 1, 0, why,
                                                 sizeof(why))
                       : NULL;

    for (i = 0, found = 0; referral_agents_people[i].ua != NULL; i++) {
        ua.data = (const unsigned char *) referral_agents_people[i].ua;
        ua.len = strlen(referral_agents_people[i].ua);

        found = (*p == '~')
                ? code && referral_agents_run(agents, code, ua, 0) > 0
                : referral_agents_has(ua, p, len);

        if (found) {
            break;
        }
    }

    pcre2_code_free(code);

    if (found) {
        return referral_agents_people[i].phrase;
    }

    ua.data = (const unsigned char *) p;
    ua.len = len;

    return referral_agents_has(ua, " #", 2)
           ? "entry has \" #\", which begins no comment,"
           : NULL;
}


static int
referral_agents_has(referral_str_t text, const char *p, size_t len)
{
    size_t  i;

    for (i = 0; i + len <= text.len; i++) {
        if (strncasecmp((const char *) text.data + i, p, len) == 0) {
            return 1;
        }
    }

    return 0;
}
