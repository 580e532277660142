/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What the fuzz targets share.  A target is LLVMFuzzerTestOneInput(): bytes in,
 * and what must hold whatever they are is asserted.  Driven by libFuzzer, see
 * `make fuzz`, or by replay.c, which runs what is in a corpus.
 */

#ifndef FUZZ_H
#define FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "referral_types.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Before the first input; a target may have it. */

int LLVMFuzzerInitialize(int *argc, char ***argv);


#define FUZZ_ASSERT(cond)                                                     \
    do {                                                                      \
        if (!(cond)) {                                                        \
            (void) fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__,     \
                           __LINE__, #cond);                                  \
            abort();                                                          \
        }                                                                     \
    } while (0)

#define FUZZ_PARTS  16


/*
 * Parts of an input.  Each is a block of its own, of just that size, so that
 * a byte read beyond it is seen; all are freed at once.
 */

typedef struct {
    const uint8_t      *p;
    const uint8_t      *end;
    unsigned            n;
    void               *parts[FUZZ_PARTS];
} fuzz_t;


static inline void
fuzz_init(fuzz_t *f, const uint8_t *data, size_t size)
{
    f->p = data;
    f->end = data + size;
    f->n = 0;
}


static inline void
fuzz_free(fuzz_t *f)
{
    while (f->n != 0) {
        free(f->parts[--f->n]);
    }
}


static inline referral_str_t
fuzz_copy(fuzz_t *f, const void *data, size_t len)
{
    void            *copy;
    referral_str_t   s;

    FUZZ_ASSERT(f->n < FUZZ_PARTS);

    copy = calloc(1, len ? len : 1);

    if (copy == NULL) {
        exit(1);
    }

    if (len != 0) {
        memcpy(copy, data, len);
    }

    f->parts[f->n++] = copy;
    s.len = len;
    s.data = copy;

    return s;
}


static inline unsigned
fuzz_byte(fuzz_t *f)
{
    return (f->p < f->end) ? *f->p++ : 0;
}


static inline referral_str_t
fuzz_rest(fuzz_t *f)
{
    referral_str_t  s;

    s = fuzz_copy(f, f->p, (size_t) (f->end - f->p));
    f->p = f->end;

    return s;
}


/* What is left of the line. */

static inline referral_str_t
fuzz_line(fuzz_t *f)
{
    size_t          len;
    const uint8_t  *end;
    referral_str_t  s;

    len = (size_t) (f->end - f->p);
    end = (len != 0) ? memchr(f->p, '\n', len) : NULL;

    if (end != NULL) {
        len = (size_t) (end - f->p);
    }

    s = fuzz_copy(f, f->p, len);
    f->p += len + (end != NULL);

    return s;
}


static inline int
fuzz_same(referral_str_t a, referral_str_t b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}


static inline referral_str_t
fuzz_str(const char *s)
{
    return (referral_str_t) { strlen(s), (const unsigned char *) s };
}


/* Whether the part is one of the whole. */

static inline int
fuzz_within(referral_str_t part, referral_str_t whole)
{
    return part.len == 0
           || (part.data >= whole.data && part.len <= whole.len
               && part.data - whole.data <= (ptrdiff_t) (whole.len
                                                         - part.len));
}


#endif /* FUZZ_H */
