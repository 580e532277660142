/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <stdio.h>
#include <string.h>

#include "referral_money.h"


/*
 * ISO 4217, list of active codes as of 2026-01 (its last change: BGN
 * withdrawn), from the data set codes-all.csv of datasets/currency-codes,
 * taken 2026-11-22.  In the order of the codes.
 */

static const referral_currency_t  currencies[] = {
    { "AED", 784, 2 }, { "AFN", 971, 2 }, { "ALL", 8, 2 },
    { "AMD", 51, 2 }, { "AOA", 973, 2 }, { "ARS", 32, 2 },
    { "AUD", 36, 2 }, { "AWG", 533, 2 }, { "AZN", 944, 2 },
    { "BAM", 977, 2 }, { "BBD", 52, 2 }, { "BDT", 50, 2 },
    { "BHD", 48, 3 }, { "BIF", 108, 0 }, { "BMD", 60, 2 },
    { "BND", 96, 2 }, { "BOB", 68, 2 }, { "BOV", 984, 2 },
    { "BRL", 986, 2 }, { "BSD", 44, 2 }, { "BTN", 64, 2 },
    { "BWP", 72, 2 }, { "BYN", 933, 2 }, { "BZD", 84, 2 },
    { "CAD", 124, 2 }, { "CDF", 976, 2 }, { "CHE", 947, 2 },
    { "CHF", 756, 2 }, { "CHW", 948, 2 }, { "CLF", 990, 4 },
    { "CLP", 152, 0 }, { "CNY", 156, 2 }, { "COP", 170, 2 },
    { "COU", 970, 2 }, { "CRC", 188, 2 }, { "CUP", 192, 2 },
    { "CVE", 132, 2 }, { "CZK", 203, 2 }, { "DJF", 262, 0 },
    { "DKK", 208, 2 }, { "DOP", 214, 2 }, { "DZD", 12, 2 },
    { "EGP", 818, 2 }, { "ERN", 232, 2 }, { "ETB", 230, 2 },
    { "EUR", 978, 2 }, { "FJD", 242, 2 }, { "FKP", 238, 2 },
    { "GBP", 826, 2 }, { "GEL", 981, 2 }, { "GHS", 936, 2 },
    { "GIP", 292, 2 }, { "GMD", 270, 2 }, { "GNF", 324, 0 },
    { "GTQ", 320, 2 }, { "GYD", 328, 2 }, { "HKD", 344, 2 },
    { "HNL", 340, 2 }, { "HTG", 332, 2 }, { "HUF", 348, 2 },
    { "IDR", 360, 2 }, { "ILS", 376, 2 }, { "INR", 356, 2 },
    { "IQD", 368, 3 }, { "IRR", 364, 2 }, { "ISK", 352, 0 },
    { "JMD", 388, 2 }, { "JOD", 400, 3 }, { "JPY", 392, 0 },
    { "KES", 404, 2 }, { "KGS", 417, 2 }, { "KHR", 116, 2 },
    { "KMF", 174, 0 }, { "KPW", 408, 2 }, { "KRW", 410, 0 },
    { "KWD", 414, 3 }, { "KYD", 136, 2 }, { "KZT", 398, 2 },
    { "LAK", 418, 2 }, { "LBP", 422, 2 }, { "LKR", 144, 2 },
    { "LRD", 430, 2 }, { "LSL", 426, 2 }, { "LYD", 434, 3 },
    { "MAD", 504, 2 }, { "MDL", 498, 2 }, { "MGA", 969, 2 },
    { "MKD", 807, 2 }, { "MMK", 104, 2 }, { "MNT", 496, 2 },
    { "MOP", 446, 2 }, { "MRU", 929, 2 }, { "MUR", 480, 2 },
    { "MVR", 462, 2 }, { "MWK", 454, 2 }, { "MXN", 484, 2 },
    { "MXV", 979, 2 }, { "MYR", 458, 2 }, { "MZN", 943, 2 },
    { "NAD", 516, 2 }, { "NGN", 566, 2 }, { "NIO", 558, 2 },
    { "NOK", 578, 2 }, { "NPR", 524, 2 }, { "NZD", 554, 2 },
    { "OMR", 512, 3 }, { "PAB", 590, 2 }, { "PEN", 604, 2 },
    { "PGK", 598, 2 }, { "PHP", 608, 2 }, { "PKR", 586, 2 },
    { "PLN", 985, 2 }, { "PYG", 600, 0 }, { "QAR", 634, 2 },
    { "RON", 946, 2 }, { "RSD", 941, 2 }, { "RUB", 643, 2 },
    { "RWF", 646, 0 }, { "SAR", 682, 2 }, { "SBD", 90, 2 },
    { "SCR", 690, 2 }, { "SDG", 938, 2 }, { "SEK", 752, 2 },
    { "SGD", 702, 2 }, { "SHP", 654, 2 }, { "SLE", 925, 2 },
    { "SOS", 706, 2 }, { "SRD", 968, 2 }, { "SSP", 728, 2 },
    { "STN", 930, 2 }, { "SVC", 222, 2 }, { "SYP", 760, 2 },
    { "SZL", 748, 2 }, { "THB", 764, 2 }, { "TJS", 972, 2 },
    { "TMT", 934, 2 }, { "TND", 788, 3 }, { "TOP", 776, 2 },
    { "TRY", 949, 2 }, { "TTD", 780, 2 }, { "TWD", 901, 2 },
    { "TZS", 834, 2 }, { "UAH", 980, 2 }, { "UGX", 800, 0 },
    { "USD", 840, 2 }, { "USN", 997, 2 }, { "UYI", 940, 0 },
    { "UYU", 858, 2 }, { "UYW", 927, 4 }, { "UZS", 860, 2 },
    { "VED", 926, 2 }, { "VES", 928, 2 }, { "VND", 704, 0 },
    { "VUV", 548, 0 }, { "WST", 882, 2 }, { "XAD", 396, 2 },
    { "XAF", 950, 0 }, { "XCD", 951, 2 }, { "XCG", 532, 2 },
    { "XOF", 952, 0 }, { "XPF", 953, 0 }, { "YER", 886, 2 },
    { "ZAR", 710, 2 }, { "ZMW", 967, 2 }, { "ZWG", 924, 2 }
};

#define CURRENCIES  (sizeof(currencies) / sizeof(currencies[0]))


const referral_currency_t *
referral_currency_find(referral_str_t alpha)
{
    int     rc;
    size_t  low, high, i;

    if (alpha.len != 3) {
        return NULL;
    }

    low = 0;
    high = CURRENCIES;

    while (low < high) {
        i = (low + high) / 2;
        rc = memcmp(alpha.data, currencies[i].alpha, 3);

        if (rc == 0) {
            return &currencies[i];
        }

        if (rc < 0) {
            high = i;

        } else {
            low = i + 1;
        }
    }

    return NULL;
}


const referral_currency_t *
referral_currency_number(unsigned number)
{
    size_t  i;

    for (i = 0; i < CURRENCIES; i++) {
        if (currencies[i].number == number) {
            return &currencies[i];
        }
    }

    return NULL;
}


const char *
referral_currency_alpha(unsigned number)
{
    const referral_currency_t  *currency;

    static _Thread_local char  text[sizeof("4294967295")];

    currency = referral_currency_number(number);

    if (currency != NULL) {
        return currency->alpha;
    }

    (void) snprintf(text, sizeof(text), "%03u", number);

    return text;
}


/* Appends the digits from *pos on to *amount; returns how many, -1: too big. */

static int
money_digits(referral_str_t text, size_t *pos, int64_t *amount)
{
    int            n;
    unsigned char  c;

    for (n = 0; *pos < text.len; n++, (*pos)++) {
        c = text.data[*pos];

        if (c < '0' || c > '9') {
            break;
        }

        if (__builtin_mul_overflow(*amount, 10, amount)
            || __builtin_add_overflow(*amount, c - '0', amount))
        {
            return -1;
        }
    }

    return n;
}


int
referral_money_parse(referral_str_t text, const referral_currency_t *currency,
    int64_t *amount)
{
    int      n;
    size_t   pos;
    int64_t  value;

    pos = 0;
    value = 0;

    n = money_digits(text, &pos, &value);

    if (n < 1 || (n > 1 && text.data[0] == '0')) {
        return -1;
    }

    n = 0;

    if (pos < text.len) {
        if (text.data[pos++] != '.') {
            return -1;
        }

        n = money_digits(text, &pos, &value);

        if (n < 1 || n > currency->exponent || pos < text.len) {
            return -1;
        }
    }

    for ( /* void */ ; n < currency->exponent; n++) {
        if (__builtin_mul_overflow(value, 10, &value)) {
            return -1;
        }
    }

    if (value > REFERRAL_AMOUNT_MAX) {
        return -1;
    }

    *amount = value;

    return 0;
}


size_t
referral_money_format(int64_t amount, const referral_currency_t *currency,
    char *buf)
{
    char      digits[REFERRAL_MONEY_LEN], *p;
    size_t    len;
    uint64_t  left;
    unsigned  n;

    p = digits + sizeof(digits);
    left = (amount < 0) ? 0 - (uint64_t) amount : (uint64_t) amount;

    for (n = 0; left || n <= currency->exponent; n++) {

        if (n && n == currency->exponent) {
            *--p = '.';
        }

        *--p = (char) ('0' + left % 10);
        left /= 10;
    }

    if (amount < 0) {
        *--p = '-';
    }

    len = (size_t) (digits + sizeof(digits) - p);

    memcpy(buf, p, len);
    buf[len] = '\0';

    return len;
}
