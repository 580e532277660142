/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Writing and reading fields one after the other; the first that does not fit
 * or is out of its range makes the whole bad.
 */

#ifndef REFERRAL_STORE_BYTES_H
#define REFERRAL_STORE_BYTES_H

#include "referral_time.h"
#include "store_internal.h"


typedef struct {
    unsigned char        *p;
    unsigned char        *end;
    unsigned              bad;
} store_writer_t;

typedef struct {
    const unsigned char  *p;
    const unsigned char  *end;
    unsigned              bad;
} store_reader_t;


/* Whether there is room; the record is bad when there is not. */

static inline int
store_write_fits(store_writer_t *w, size_t len)
{
    w->bad = w->bad || (size_t) (w->end - w->p) < len;

    return !w->bad;
}


static inline void
store_write(store_writer_t *w, const void *data, size_t len)
{
    if (store_write_fits(w, len)) {
        memcpy(w->p, data, len);
        w->p += len;
    }
}


static inline void
store_write_str(store_writer_t *w, referral_str_t s, size_t max)
{
    uint16_t  len;

    if (s.len > max) {
        w->bad = 1;
        return;
    }

    len = (uint16_t) s.len;
    store_write(w, &len, sizeof(len));

    if (len != 0) {
        store_write(w, s.data, len);
    }
}


static inline void
store_read(store_reader_t *r, void *data, size_t len)
{
    if (r->bad || (size_t) (r->end - r->p) < len) {
        r->bad = 1;
        memset(data, 0, len);
        return;
    }

    memcpy(data, r->p, len);
    r->p += len;
}


static inline void
store_read_str(store_reader_t *r, referral_str_t *s, size_t max)
{
    uint16_t  len;

    store_read(r, &len, sizeof(len));

    if (r->bad || len > max || (size_t) (r->end - r->p) < len) {
        r->bad = 1;
        s->len = 0;
        s->data = NULL;
        return;
    }

    s->len = len;
    s->data = r->p;
    r->p += len;
}


/* With what is beyond it nothing can be reckoned. */

static inline unsigned
store_bad_time(int64_t ms)
{
    return ms < 0 || ms > REFERRAL_TIME_MAX;
}


/* store_codec_event.c: events and what follows from them */

void store_encode_event(store_writer_t *w, const referral_record_t *record);
void store_decode_event(store_reader_t *r, referral_record_t *record);


#endif /* REFERRAL_STORE_BYTES_H */
