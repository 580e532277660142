/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Words of short texts against the same byte by byte, of every length, with
 * pages that cannot be read before and behind them.
 */

#include <string.h>
#include <unistd.h>
#include <sys/mman.h>

#include "referral_word.h"
#include "tap.h"


#define LONGEST  40


static unsigned char *
fence(size_t page)
{
    unsigned char  *p;

    p = mmap(NULL, 3 * page, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED || mprotect(p + page, page, PROT_READ|PROT_WRITE) != 0)
    {
        return NULL;
    }

    return p + page;
}


static uint64_t
bytes(const unsigned char *p, size_t n)
{
    uint64_t  word;

    word = 0;

    while (n--) {
        word = word << 8 | p[n];
    }

    return word;
}


/* Whether tails of texts of every length are what their bytes are. */

static unsigned
tails(unsigned char *start, size_t page)
{
    size_t          len, left;
    unsigned        wrong;
    unsigned char  *text;

    wrong = 0;

    for (len = 0; len <= LONGEST; len++) {
        left = len % 8;

        for (text = start; text != NULL;
             text = (text == start) ? start + page - len : NULL)
        {
            wrong += referral_word_tail(text + len - left, left, len)
                     != bytes(text + len - left, left);

            if (len == 0) {
                break;
            }
        }
    }

    return wrong;
}


/* How often a text is not itself, or is another with one byte changed. */

static unsigned
same(unsigned char *one, unsigned char *two, size_t page)
{
    size_t          len, i;
    unsigned        wrong;
    unsigned char  *end;

    wrong = 0;

    for (len = 0; len <= LONGEST; len++) {
        end = two + page - len;
        memcpy(end, one, len);
        wrong += !referral_word_same(one, end, len);
        wrong += !referral_word_same(end, one, len);

        for (i = 0; i < len; i++) {
            end[i] ^= 0x80;
            wrong += referral_word_same(one, end, len) != 0;
            end[i] ^= 0x80;
        }
    }

    return wrong;
}


int
main(void)
{
    size_t          i, page;
    unsigned char  *one, *two;

    page = (size_t) sysconf(_SC_PAGESIZE);
    one = fence(page);
    two = fence(page);

    if (one == NULL || two == NULL) {
        tap_ok(0, "there are pages with nothing beside them");
        return tap_done();
    }

    for (i = 0; i < page; i++) {
        one[i] = (unsigned char) (i * 167 + 13);
    }

    tap_ok(referral_word(one) == bytes(one, 8), "a word is its eight bytes");
    tap_ok(tails(one, page) == 0, "a tail is its bytes, and reads no others");
    tap_ok(same(one, two, page) == 0, "a text is the same until a byte is not");

    return tap_done();
}
