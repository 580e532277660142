/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Where a link leads: the grammar of ?to=, the merging of query parameters,
 * the clean URL of a page visited with ?ref=.  Pure functions, no nginx.
 * What they write into a Location is printable ASCII, always.
 */

#ifndef REFERRAL_TARGET_H
#define REFERRAL_TARGET_H

#include "referral_store.h"


#define REFERRAL_TO_MAX         2048        /* bytes of ?to= after decoding */
#define REFERRAL_LOCATION_MAX   4096        /* beyond: nothing is passed on */
#define REFERRAL_ARGS_MAX       100         /* parameters tried to pass on */

/*
 * Decodes the raw value of ?to= once ("+" stays "+", escapes of bytes beyond
 * ASCII stay escapes) into out, which holds as many bytes as raw, and checks
 * it.  Returns 1 with *len when it is a path on this site, of printable
 * ASCII, at most REFERRAL_TO_MAX bytes, that every URL parser reads the same
 * way; 0 when not.  The caller still asks whether it is a link.
 */

int referral_to_decode(referral_str_t raw, unsigned char *out, size_t *len);

/*
 * The path of a checked target, decoded as nginx would before it matches
 * locations, for asking whether it is a link.  out holds target.len bytes.
 * Returns the length.
 */

size_t referral_to_path(referral_str_t target, unsigned char *out);

/*
 * The first non-empty parameter of that exact name in a raw query string.
 * Names and values are not decoded.  Returns 1 with the raw value.
 */

int referral_arg_get(referral_str_t args, referral_str_t name,
    referral_str_t *value);

/* Which parameters of a link are passed on to where it leads. */

typedef enum {
    REFERRAL_PASS_NONE = 0,
    REFERRAL_PASS_ALL,
    REFERRAL_PASS_LISTED
} referral_pass_mode_t;

typedef struct {
    referral_pass_mode_t    mode;
    const referral_str_t   *names;          /* "utm_*" matches by prefix */
    size_t                  n;
    const referral_str_t   *drop;           /* the module's own parameters */
    size_t                  ndrop;
} referral_pass_t;

/*
 * Writes destination with the parameters of args that pass: before its
 * fragment, in their order and bytes, none that the destination already has.
 * Of args, bytes outside 0x21-0x7E and "#" are percent-encoded; destination
 * was checked where it came in, and were such a byte in it all the same, it
 * becomes "_".  A result longer than REFERRAL_LOCATION_MAX loses what args
 * added.  out holds destination.len + 3 * args.len + 1 bytes.  Returns the
 * length.
 */

size_t referral_args_merge(referral_str_t destination, referral_str_t args,
    const referral_pass_t *pass, unsigned char *out);

/*
 * The page itself without the parameters that carried a code: uri is the raw
 * request target, path and query.  One slash leads, so it stays on the host
 * whatever the bytes; no "?" is left without a parameter behind it.  out
 * holds 3 * uri.len + 1 bytes.  Returns the length.
 */

size_t referral_uri_strip(referral_str_t uri, const referral_str_t *names,
    size_t n, unsigned char *out);

/*
 * A location, as referral_args_merge() wrote it, without those parameters;
 * its fragment stays.  out holds url.len bytes, and may be url.
 */

size_t referral_url_strip(referral_str_t url, const referral_str_t *names,
    size_t n, unsigned char *out);


#endif /* REFERRAL_TARGET_H */
