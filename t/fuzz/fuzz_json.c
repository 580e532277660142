/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * JSON in and out, CSV, money and times.  What the rules for a body let through
 * the store takes; what is written is read as what it was.  The first byte
 * chooses.
 */

#include "fuzz.h"
#include "referral_code_json.h"
#include "referral_csv.h"
#include "referral_event_json.h"
#include "referral_json_body.h"
#include "referral_out.h"
#include "referral_time.h"
#include "store_internal.h"


#define NOW  INT64_C(1763700000000)


/* A record that is right is one that fits into a ring. */

static void
check_record(referral_record_t *record, unsigned type)
{
    unsigned char  buf[STORE_RECORD_MAX];

    record->type = (uint8_t) type;
    record->time = NOW;

    FUZZ_ASSERT(store_encode(record, buf) != 0);
}


/* ------------------------------------------------------------------- in */

static json_t *
read_object(referral_str_t text)
{
    json_t      *value;
    const char  *wrong;

    wrong = NULL;
    value = referral_json_body(text, &wrong);

    FUZZ_ASSERT(value != NULL || (wrong != NULL && *wrong != '\0'));

    if (!json_is_object(value)) {
        json_decref(value);
        return NULL;
    }

    return value;
}


static void
fuzz_event(referral_str_t text)
{
    json_t                 *object;
    referral_record_t       record;
    referral_event_json_t   in;

    object = read_object(text);

    if (object != NULL) {
        referral_event_json(object, &in);

        if (in.wrong.nerrors == 0) {
            memset(&record, 0, sizeof(record));
            record.u.event = in.event;
            check_record(&record, REFERRAL_RECORD_EVENT);
        }
    }

    json_decref(object);
}


static void
fuzz_refund(referral_str_t text)
{
    json_t                  *object;
    referral_record_t        record;
    referral_refund_json_t   in;

    object = read_object(text);

    if (object != NULL) {
        referral_refund_json(object, &in);

        if (in.wrong.nerrors == 0 && json_is_string(in.amount)
            && in.refund.amount == 0)
        {
            referral_refund_json_amount(&in,
                referral_currency_find(fuzz_str("JPY")));
        }

        if (in.wrong.nerrors == 0) {
            memset(&record, 0, sizeof(record));
            record.u.refund = in.refund;
            record.u.refund.order_id = fuzz_str("1001");
            check_record(&record, REFERRAL_RECORD_REFUND);
        }
    }

    json_decref(object);
}


static void
fuzz_code(referral_str_t line)
{
    json_t                  *object, *value;
    unsigned                 wrong;
    const char              *name;
    referral_record_t        record;

    object = read_object(line);
    memset(&record, 0, sizeof(record));
    wrong = 0;

    json_object_foreach(object, name, value) {
        wrong |= (referral_code_field(name, value, &record.u.code) != NULL);
    }

    if (object != NULL && !wrong && record.u.code.code.len != 0) {
        FUZZ_ASSERT(referral_code_right(record.u.code.code));
        FUZZ_ASSERT(record.u.code.status != REFERRAL_STATUS_ENDED);
        check_record(&record, REFERRAL_RECORD_CODE);
    }

    json_decref(object);
}


/* ------------------------------------------------------------------ out */

typedef struct {
    size_t      len;
    size_t      size;
    char       *text;
} text_t;


static void
write_text(referral_out_t *out, const void *data, size_t len)
{
    text_t  *t;

    t = out->data;
    FUZZ_ASSERT(t->len + len <= t->size);
    memcpy(t->text + t->len, data, len);
    t->len += len;
}


static unsigned
is_utf8(referral_str_t s)
{
    size_t  i, n;

    for (i = 0; i < s.len; i += n) {
        n = referral_utf8(s.data + i, s.len - i);

        if (n == 0) {
            return 0;
        }
    }

    return 1;
}


static json_t *
read_again(const text_t *t)
{
    size_t         i;
    json_t        *array;
    json_error_t   error;

    /* in a page of HTML it ends nothing */

    for (i = 0; i < t->len; i++) {
        FUZZ_ASSERT((unsigned char) t->text[i] >= 0x20 && t->text[i] != '<'
                    && t->text[i] != 0x7f);
    }

    array = json_loadb(t->text, t->len, JSON_ALLOW_NUL, &error);
    FUZZ_ASSERT(json_is_array(array));

    return array;
}


static void
fuzz_out(referral_str_t s)
{
    text_t           t;
    json_t          *array;
    int64_t          n;
    uint64_t         id;
    referral_out_t   out;

    t.len = 0;
    t.size = 12 * s.len + 512;
    t.text = malloc(t.size);
    n = (int64_t) s.len;
    id = s.len;

    if (s.len >= sizeof(n)) {
        memcpy(&n, s.data, sizeof(n));
        memcpy(&id, s.data + s.len - sizeof(id), sizeof(id));
    }

    memset(&out, 0, sizeof(out));
    out.write = write_text;
    out.data = &t;

    referral_out_open(&out, NULL, "[");
    referral_out_str(&out, NULL, s);
    referral_out_int(&out, NULL, n);
    referral_out_id(&out, NULL, id);
    referral_out_time(&out, NULL, n);
    referral_out_date(&out, NULL, (uint32_t) n);
    referral_out_str_or_null(&out, NULL, s);
    referral_out_open(&out, NULL, "{");
    referral_out_currency(&out, (unsigned) n & 1, (unsigned) id & 0xffff);
    referral_out_money(&out, "amount", (unsigned) n & 1, n);
    referral_out_close(&out, "}");
    referral_out_close(&out, "]");

    FUZZ_ASSERT(!out.failed);

    array = read_again(&t);
    FUZZ_ASSERT(json_array_size(array) == 7);

    if (is_utf8(s)) {
        FUZZ_ASSERT(json_string_length(json_array_get(array, 0)) == s.len);
        FUZZ_ASSERT(s.len == 0
                    || memcmp(json_string_value(json_array_get(array, 0)),
                              s.data, s.len) == 0);
    }

    json_decref(array);
    free(t.text);
}


/* The next cell, which ends before a 0x1f. */

static int
next_cell(referral_str_t all, size_t *pos, referral_str_t *text)
{
    const unsigned char  *end;

    if (*pos > all.len) {
        return 0;
    }

    text->data = all.data + *pos;
    text->len = all.len - *pos;
    end = (text->len != 0) ? memchr(text->data, 0x1f, text->len) : NULL;

    if (end != NULL) {
        text->len = (size_t) (end - text->data);
    }

    *pos += text->len + 1;

    return 1;
}


static void
check_cells(char *row, referral_str_t all)
{
    char            *cell;
    size_t           pos;
    referral_str_t   text;

    for (pos = 0; next_cell(all, &pos, &text); /* void */ ) {

        /* what a spreadsheet would run is not what a cell begins with */

        FUZZ_ASSERT(row != NULL && row[0] == '"' && row[1] != '\0');
        FUZZ_ASSERT(strchr("=+-@\t\r\n", row[1]) == NULL);

        cell = referral_csv_cell(&row);

        FUZZ_ASSERT(cell != NULL && strlen(cell) == text.len);
        FUZZ_ASSERT(memcmp(cell, text.data, text.len) == 0);
    }

    FUZZ_ASSERT(row == NULL);
}


static void
fuzz_csv(referral_str_t all)
{
    char            *row;
    size_t           pos;
    referral_str_t   text;
    referral_csv_t   csv;

    if (all.len != 0 && memchr(all.data, '\0', all.len) != NULL) {
        return;
    }

    row = malloc(5 * all.len + 8);
    referral_csv_init(&csv, (unsigned char *) row, 5 * all.len + 8);

    for (pos = 0; next_cell(all, &pos, &text); /* void */ ) {
        referral_csv_text(&csv, text);
    }

    FUZZ_ASSERT(referral_csv_row(&csv) == 0);

    /* without its end, as it is read */

    csv.pos[-2] = '\0';
    check_cells(row, all);
    free(row);
}


/* ----------------------------------------------------- money and times */

static void
fuzz_money(referral_str_t text)
{
    char                        buf[REFERRAL_MONEY_LEN];
    size_t                      i, len;
    int64_t                     amount, again;
    const referral_currency_t  *currency;

    static const char *const  alphas[] = { "EUR", "JPY", "KWD", "CLF" };

    for (i = 0; i < sizeof(alphas) / sizeof(alphas[0]); i++) {
        currency = referral_currency_find(fuzz_str(alphas[i]));
        FUZZ_ASSERT(currency != NULL);

        if (referral_money_parse(text, currency, &amount) != 0) {
            continue;
        }

        FUZZ_ASSERT(amount >= 0 && amount <= REFERRAL_AMOUNT_MAX);
        len = referral_money_format(amount, currency, buf);
        FUZZ_ASSERT(len < sizeof(buf) && buf[len] == '\0');
        FUZZ_ASSERT(referral_money_parse(fuzz_str(buf), currency, &again)
                    == 0 && again == amount);
        FUZZ_ASSERT(len >= text.len
                    && memcmp(buf, text.data, text.len) == 0);
    }
}


static void
fuzz_time(referral_str_t text)
{
    char             buf[64];
    text_t           t = { 0, sizeof(buf), buf };
    int64_t          ms, again;
    referral_out_t   out;

    if (referral_time_parse(text, &ms) != 0) {
        return;
    }

    FUZZ_ASSERT(ms >= 0 && ms < REFERRAL_TIME_MAX);

    if (ms < 1000) {
        return;
    }

    memset(&out, 0, sizeof(out));
    out.write = write_text;
    out.data = &t;
    referral_out_time(&out, NULL, ms);

    FUZZ_ASSERT(t.len == 22);
    FUZZ_ASSERT(referral_time_parse((referral_str_t) { 20,
                    (const unsigned char *) buf + 1 }, &again) == 0
                && again == ms - ms % 1000);
}


static void
fuzz_values(fuzz_t *f)
{
    referral_str_t  text;

    text = fuzz_rest(f);
    fuzz_money(text);
    fuzz_time(text);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_t    f;
    unsigned  how;

    fuzz_init(&f, data, size);
    how = fuzz_byte(&f);

    switch (how % 6) {

    case 0:
        fuzz_event(fuzz_rest(&f));
        break;

    case 1:
        fuzz_refund(fuzz_rest(&f));
        break;

    case 2:
        fuzz_code(fuzz_rest(&f));
        break;

    case 3:
        fuzz_out(fuzz_rest(&f));
        break;

    case 4:
        fuzz_csv(fuzz_rest(&f));
        break;

    default:
        fuzz_values(&f);
    }

    fuzz_free(&f);

    return 0;
}
