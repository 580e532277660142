/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * A code that a link takes, whatever its regex demands of codes: plain ones of
 * all lengths are tried, then beginnings that the regex goes along with are
 * made longer until one is a whole code.  A lookahead goes along with anything.
 */

#include <string.h>

#include "referral_share.h"


#define REFERRAL_SAMPLE_TRIES  32           /* beginnings followed at a time */
#define REFERRAL_SAMPLE_PATH   1024
#define REFERRAL_SAMPLE_CALLS  4000         /* of the links; some take long */


typedef unsigned char  referral_sample_code_t[REFERRAL_CODE_MAX];

typedef struct {
    const referral_share_links_t  *links;
    referral_str_t                 tail;
    size_t                         head;    /* bytes of the path */
    unsigned                       calls;
    int                            gave_up;
    unsigned char                  path[REFERRAL_SAMPLE_PATH];
} referral_sample_t;


static size_t referral_sample_plain(referral_sample_t *sample);
static size_t referral_sample_search(referral_sample_t *sample);
static int referral_sample_longer(referral_sample_t *sample, size_t len,
    referral_sample_code_t *to, unsigned *n);
static int referral_sample_begins(referral_sample_t *sample, size_t len);
static int referral_sample_whole(referral_sample_t *sample, size_t len);
static int referral_sample_goes_on(referral_sample_t *sample);
static int referral_sample_said(referral_sample_t *sample, int rc);


/* What a code is made of: of each kind, one that goes on is enough. */

static const char *const  referral_sample_kinds[] = {
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789", "abcdefghijklmnopqrstuvwxyz",
    "-", "_"
};

#define REFERRAL_SAMPLE_KINDS                                                 \
    (sizeof(referral_sample_kinds) / sizeof(referral_sample_kinds[0]))


size_t
referral_share_sample(const referral_share_links_t *links,
    referral_str_t head, referral_str_t tail,
    unsigned char code[REFERRAL_CODE_MAX])
{
    size_t             len;
    referral_sample_t  sample;

    if (head.len + REFERRAL_CODE_MAX + tail.len > REFERRAL_SAMPLE_PATH) {
        return 0;
    }

    sample.links = links;
    sample.tail = tail;
    sample.head = head.len;
    sample.calls = 0;
    sample.gave_up = 0;
    memcpy(sample.path, head.data, head.len);

    len = referral_sample_plain(&sample);

    if (len == 0) {
        len = referral_sample_search(&sample);
    }

    memcpy(code, sample.path + head.len, len);

    return len;
}


static size_t
referral_sample_plain(referral_sample_t *sample)
{
    size_t          i, len;
    unsigned        n;
    unsigned char  *code;

    static const char *const  plain[] = { "A", "0", "a", "A0", "a0", "Aa0" };

    code = sample->path + sample->head;

    for (n = 0; n < sizeof(plain) / sizeof(plain[0]); n++) {
        for (len = 1; len <= REFERRAL_CODE_MAX; len++) {

            for (i = 0; i < len; i++) {
                code[i] = (unsigned char) plain[n][i % strlen(plain[n])];
            }

            if (referral_sample_whole(sample, len)) {
                return len;
            }
        }
    }

    return 0;
}


static size_t
referral_sample_search(referral_sample_t *sample)
{
    size_t                  len;
    unsigned                i, n, more;
    referral_sample_code_t  codes[2][REFERRAL_SAMPLE_TRIES];

    n = 1;

    for (len = 0; len < REFERRAL_CODE_MAX && n != 0; len++, n = more) {
        more = 0;

        for (i = 0; i < n; i++) {
            memcpy(sample->path + sample->head, codes[len & 1][i], len);

            if (referral_sample_longer(sample, len, codes[~len & 1], &more)) {
                return len + 1;
            }
        }
    }

    return 0;
}


/* 1: one character more, and it is a whole code. */

static int
referral_sample_longer(referral_sample_t *sample, size_t len,
    referral_sample_code_t *to, unsigned *n)
{
    size_t       kind;
    const char  *letter;

    for (kind = 0; kind < REFERRAL_SAMPLE_KINDS; kind++) {

        for (letter = referral_sample_kinds[kind]; *letter != '\0'; letter++) {
            sample->path[sample->head + len] = (unsigned char) *letter;

            if (!referral_sample_begins(sample, len + 1)) {
                continue;
            }

            if (referral_sample_whole(sample, len + 1)) {
                return 1;
            }

            if (*n < REFERRAL_SAMPLE_TRIES) {
                memcpy(to[(*n)++], sample->path + sample->head, len + 1);
            }

            break;
        }
    }

    return 0;
}


static int
referral_sample_begins(referral_sample_t *sample, size_t len)
{
    referral_str_t  path;

    path.data = sample->path;
    path.len = sample->head + len;

    return referral_sample_goes_on(sample)
           && referral_sample_said(sample,
                         sample->links->begins(sample->links->data, path));
}


static int
referral_sample_whole(referral_sample_t *sample, size_t len)
{
    referral_str_t  path, code;

    code.data = sample->path + sample->head;
    code.len = len;
    path.data = sample->path;
    path.len = sample->head + len + sample->tail.len;

    if (sample->tail.len != 0) {
        memcpy(sample->path + sample->head + len, sample->tail.data,
               sample->tail.len);
    }

    return referral_sample_goes_on(sample)
           && referral_sample_said(sample,
                   sample->links->matches(sample->links->data, path, code));
}


static int
referral_sample_goes_on(referral_sample_t *sample)
{
    if (sample->calls == REFERRAL_SAMPLE_CALLS) {
        sample->gave_up = 1;
    }

    sample->calls++;

    return !sample->gave_up;
}


static int
referral_sample_said(referral_sample_t *sample, int rc)
{
    if (rc < 0) {
        sample->gave_up = 1;
    }

    return rc > 0;
}
