/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#define PCRE2_CODE_UNIT_WIDTH  8

#include <stdio.h>
#include <stdlib.h>
#include <pcre2.h>

#include "referral_pattern.h"


#define REFERRAL_PATTERN_MATCHES    10000   /* steps of a match */
#define REFERRAL_PATTERN_DEPTH      250
#define REFERRAL_PATTERN_HEAP       128     /* KiB */


struct referral_pattern_s {
    pcre2_code           *regex;
    pcre2_match_data     *data;
    pcre2_match_context  *context;
    int                   code;             /* numbers of the groups, */
    int                   channel;          /* negative: there is none */
};


static int referral_pattern_prepare(referral_pattern_t *pattern);
static referral_str_t referral_pattern_group(const referral_pattern_t *pattern,
    referral_str_t path, int n);


referral_pattern_t *
referral_pattern_create(referral_str_t regex, char *why, size_t why_size)
{
    int                  error;
    size_t               offset;
    unsigned char        text[128];
    referral_pattern_t  *pattern;

    snprintf(why, why_size, "out of memory");

    pattern = calloc(1, sizeof(referral_pattern_t));
    if (pattern == NULL) {
        return NULL;
    }

    pattern->regex = pcre2_compile(regex.data, regex.len, 0, &error, &offset,
                                   NULL);

    if (pattern->regex == NULL) {
        pcre2_get_error_message(error, text, sizeof(text));
        snprintf(why, why_size, "%s at offset %zu", text, offset);

    } else if (referral_pattern_prepare(pattern) == 0) {

        if (pattern->code > 0) {
            return pattern;
        }

        snprintf(why, why_size, "there is no group \"(?<code>...)\"");
    }

    referral_pattern_free(pattern);

    return NULL;
}


static int
referral_pattern_prepare(referral_pattern_t *pattern)
{
    pattern->data = pcre2_match_data_create_from_pattern(pattern->regex, NULL);
    pattern->context = pcre2_match_context_create(NULL);

    if (pattern->data == NULL || pattern->context == NULL) {
        return -1;
    }

    pcre2_set_match_limit(pattern->context, REFERRAL_PATTERN_MATCHES);
    pcre2_set_depth_limit(pattern->context, REFERRAL_PATTERN_DEPTH);
    pcre2_set_heap_limit(pattern->context, REFERRAL_PATTERN_HEAP);

    pattern->code = pcre2_substring_number_from_name(pattern->regex,
                                                     (PCRE2_SPTR) "code");
    pattern->channel = pcre2_substring_number_from_name(pattern->regex,
                                                     (PCRE2_SPTR) "channel");

    /* where there is no JIT the interpreter does it, within the same limits */

    (void) pcre2_jit_compile(pattern->regex, PCRE2_JIT_COMPLETE);

    return 0;
}


void
referral_pattern_free(referral_pattern_t *pattern)
{
    if (pattern != NULL) {
        pcre2_match_data_free(pattern->data);
        pcre2_match_context_free(pattern->context);
        pcre2_code_free(pattern->regex);
        free(pattern);
    }
}


int
referral_pattern_match(const referral_pattern_t *pattern, referral_str_t path,
    referral_str_t *code, referral_str_t *channel)
{
    int  rc;

    if (path.len > REFERRAL_PATTERN_SUBJECT) {
        return 0;
    }

    rc = pcre2_match(pattern->regex, path.data, path.len, 0, 0, pattern->data,
                     pattern->context);

    if (rc < 0) {
        return (rc == PCRE2_ERROR_NOMATCH) ? 0 : -1;
    }

    *code = referral_pattern_group(pattern, path, pattern->code);
    *channel = referral_pattern_group(pattern, path, pattern->channel);

    return 1;
}


int
referral_pattern_begins(const referral_pattern_t *pattern,
    referral_str_t path)
{
    int  rc;

    rc = pcre2_match(pattern->regex, path.data, path.len, 0,
                     PCRE2_PARTIAL_HARD, pattern->data, pattern->context);

    if (rc >= 0 || rc == PCRE2_ERROR_PARTIAL) {
        return 1;
    }

    return (rc == PCRE2_ERROR_NOMATCH) ? 0 : -1;
}


static referral_str_t
referral_pattern_group(const referral_pattern_t *pattern, referral_str_t path,
    int n)
{
    size_t          from, to;
    referral_str_t  s = { 0, (const unsigned char *) "" };

    if (n < 0) {
        return s;
    }

    from = pcre2_get_ovector_pointer(pattern->data)[2 * n];
    to = pcre2_get_ovector_pointer(pattern->data)[2 * n + 1];

    /* \K can set the start of a group behind its end */

    if (from != PCRE2_UNSET && from < to) {
        s.data = path.data + from;
        s.len = to - from;
    }

    return s;
}
