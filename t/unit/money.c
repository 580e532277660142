/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Money: every row of t/vectors/money.tsv, the limits of each currency, and
 * amounts there and back.
 */

#include <stdlib.h>

#include "referral_event_json.h"
#include "tap.h"


typedef struct {
    const char  *json;
    const char  *currency;
    int64_t      amount;                /* -1: refused */
} row_t;


static const row_t  rows[] = {
    { "4999", "EUR", 4999 },
    { "\"49.99\"", "EUR", 4999 },
    { "\"49.9\"", "EUR", 4990 },
    { "\"49\"", "EUR", 4900 },
    { "\"49.999\"", "EUR", -1 },
    { "49.99", "EUR", -1 },
    { "\"1000\"", "JPY", 1000 },
    { "\"1000.0\"", "JPY", -1 },
    { "\"1.234\"", "KWD", 1234 },
    { "\"1.23\"", "KWD", 1230 },
    { "\"0.0001\"", "CLF", 1 },
    { "\"5\"", "XAU", -1 },
    { "0", "EUR", 0 },
    { "-1", "EUR", -1 },
    { "\"-1.00\"", "EUR", -1 },
    { "\"+1.00\"", "EUR", -1 },
    { "\" 1.00\"", "EUR", -1 },
    { "\"1,00\"", "EUR", -1 },
    { "\"1e2\"", "EUR", -1 },
    { "1e2", "EUR", -1 },
    { "\"\\u0661\"", "EUR", -1 },
    { "\"00012\"", "EUR", -1 },
    { "\"1.\"", "EUR", -1 },
    { "\".5\"", "EUR", -1 },
    { "\"\"", "EUR", -1 },
    { "true", "EUR", -1 },
    { "9007199254740991", "EUR", -1 },
    { "922337203685477", "EUR", REFERRAL_AMOUNT_MAX },
    { "922337203685478", "EUR", -1 },
    { "1", "eur", -1 },
    { "1", "EURO", -1 },
    { "1", "ZZZ", -1 },
    { "1", "XXX", -1 },
    { "1", "HRK", -1 },

    /* not in the table */

    { "\"0\"", "EUR", 0 },
    { "\"0.00\"", "EUR", 0 },
    { "\"00\"", "EUR", -1 },
    { "\"0.5\"", "EUR", 50 },
    { "\"01.00\"", "EUR", -1 },
    { "\"1.0 \"", "EUR", -1 },
    { "\"1.0.0\"", "EUR", -1 },
    { "\"9223372036854.77\"", "EUR", REFERRAL_AMOUNT_MAX },
    { "\"9223372036854.78\"", "EUR", -1 },
    { "\"922337203685477\"", "JPY", REFERRAL_AMOUNT_MAX },
    { "\"922337203685478\"", "JPY", -1 },
    { "\"92233720368547758\"", "EUR", -1 },
    { "\"184467440737095516.16\"", "EUR", -1 },
    { "\"99999999999999999999999999\"", "EUR", -1 },
    { "[]", "EUR", -1 },
    { "1", "", -1 },
    { "1", "EU", -1 },
    { "1", "BGN", -1 },
    { "1", "XTS", -1 }
};


static int64_t
parse(const char *json, const char *alpha)
{
    json_t                     *value, *code;
    int64_t                     amount;
    const char                 *message;
    const referral_currency_t  *currency;

    value = json_loads(json, JSON_DECODE_ANY, NULL);
    code = json_string(alpha);

    if (value == NULL || code == NULL) {
        abort();
    }

    amount = -2;
    message = referral_json_currency(code, &currency);

    if (message == NULL) {
        message = referral_json_amount(value, currency, &amount);
    }

    json_decref(value);
    json_decref(code);

    return message ? -1 : amount;
}


static void
test_rows(void)
{
    size_t   i;
    int64_t  amount;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        amount = parse(rows[i].json, rows[i].currency);

        tap_ok(amount == rows[i].amount, "%s %s: %lld, want %lld",
               rows[i].json, rows[i].currency, (long long) amount,
               (long long) rows[i].amount);
    }
}


/* The counts are those of TRUST.md, M2. */

static void
test_table(void)
{
    unsigned                    n, same, counts[5] = { 0 };
    const referral_currency_t  *currency, *other;

    same = 1;

    for (n = 0; n < 1000; n++) {
        currency = referral_currency_number(n);

        if (currency == NULL) {
            continue;
        }

        other = referral_currency_find((referral_str_t) { 3,
                                 (const unsigned char *) currency->alpha });
        same &= (other == currency);
        counts[currency->exponent]++;
    }

    tap_ok(same, "by number and by code");
    tap_ok(counts[0] == 17 && counts[1] == 0 && counts[2] == 139
           && counts[3] == 7 && counts[4] == 2, "17, 139, 7 and 2 of them");

    currency = referral_currency_number(978);
    tap_ok(currency && strcmp(currency->alpha, "EUR") == 0
           && currency->exponent == 2, "978 is EUR, 2 digits");
    tap_ok(strcmp(referral_currency_alpha(392), "JPY") == 0, "392 is JPY");
    tap_ok(strcmp(referral_currency_alpha(959), "959") == 0, "gold is none");
}


static void
test_format(void)
{
    size_t                      i, len;
    char                        buf[REFERRAL_MONEY_LEN];
    int64_t                     back;
    unsigned                    n;
    const referral_currency_t  *currency;

    static const struct {
        int64_t      amount;
        unsigned     number;
        const char  *text;
    } texts[] = {
        { 4999, 978, "49.99" }, { 4990, 978, "49.90" }, { 5, 978, "0.05" },
        { 0, 978, "0.00" }, { 100, 978, "1.00" }, { -1, 978, "-0.01" },
        { 0, 392, "0" }, { 1000, 392, "1000" }, { 1230, 414, "1.230" },
        { 1, 990, "0.0001" }, { INT64_MIN, 978, "-92233720368547758.08" },
        { REFERRAL_AMOUNT_MAX, 978, "9223372036854.77" }
    };

    static const int64_t  amounts[] = {
        0, 1, 9, 10, 99, 100, 101, 4999, 10000, 123456789, REFERRAL_AMOUNT_MAX
    };

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        len = referral_money_format(texts[i].amount,
                           referral_currency_number(texts[i].number), buf);
        tap_is_str(buf, len, texts[i].text, texts[i].text);
    }

    for (n = 0; n < 1000; n++) {
        currency = referral_currency_number(n);

        for (i = 0; currency && i < sizeof(amounts) / sizeof(int64_t); i++) {
            len = referral_money_format(amounts[i], currency, buf);
            back = -1;

            if (referral_money_parse((referral_str_t) { len,
                                         (const unsigned char *) buf },
                                     currency, &back)
                != 0
                || back != amounts[i])
            {
                tap_ok(0, "%s %s comes back as %lld", buf, currency->alpha,
                       (long long) back);
                return;
            }
        }
    }

    tap_ok(1, "every currency, there and back");
}


int
main(void)
{
    test_rows();
    test_table();
    test_format();

    return tap_done();
}
