/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Money: integers of minor units, and the currencies of ISO 4217 that have
 * such.  No float anywhere.
 */

#ifndef REFERRAL_MONEY_H
#define REFERRAL_MONEY_H

#include "referral_types.h"


#define REFERRAL_MONEY_LEN   24         /* bytes of a formatted amount */
#define REFERRAL_JSON_MAX    9007199254740991   /* 2^53-1: beyond it, numbers
                                                   are not exact everywhere */

typedef struct {
    char                    alpha[4];   /* terminated */
    uint16_t                number;
    uint8_t                 exponent;   /* digits of the minor unit */
} referral_currency_t;


/*
 * An active currency, by its code in upper case or by its number; NULL: there
 * is none, it was withdrawn, or it has no minor unit (gold, test codes).
 */

const referral_currency_t *referral_currency_find(referral_str_t alpha);
const referral_currency_t *referral_currency_number(unsigned number);

/*
 * The code of a number; the number itself, of three digits or more, when there
 * is none, which stays until the next call of the thread.
 */

const char *referral_currency_alpha(unsigned number);

/*
 * Text in major units ("49.99") into minor units: digits without leading
 * zeros, then perhaps a point and 1 to `exponent` digits; nothing else.  0, or
 * -1 for other text and for more than REFERRAL_AMOUNT_MAX.
 */

int referral_money_parse(referral_str_t text,
    const referral_currency_t *currency, int64_t *amount);

/*
 * Minor units into text in major units, with all digits of the exponent:
 * "49.90".  buf holds REFERRAL_MONEY_LEN bytes.  Returns the length; the text
 * is terminated.
 */

size_t referral_money_format(int64_t amount,
    const referral_currency_t *currency, char *buf);


#endif /* REFERRAL_MONEY_H */
