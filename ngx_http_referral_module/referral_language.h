/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The language of a text, and which of several a reader would rather have:
 * tags of RFC 5646, the lookup of RFC 4647.  Pure functions, no nginx.
 */

#ifndef REFERRAL_LANGUAGE_H
#define REFERRAL_LANGUAGE_H

#include "referral_types.h"


#define REFERRAL_LANGUAGE_MAX   35      /* bytes of a tag */
#define REFERRAL_LANGUAGES_MAX  16      /* of Accept-Language are looked at */


/* Two to eight letters, and parts of one to eight letters or digits: "de-CH" */

int referral_language_right(referral_str_t tag);

/*
 * The index of the tag that a value of Accept-Language asks for first, by
 * weight and then by order; -1: it asks for none of them.  A range that no tag
 * is equal to is tried without its last part, RFC 4647, 3.4; "*" asks for
 * nothing, and a weight of 0 for less.  A tag may be empty.
 */

int referral_language_lookup(referral_str_t accept,
    const referral_str_t *tags, size_t n);


#endif /* REFERRAL_LANGUAGE_H */
