/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * cookie_cli KEY_FILE [NAME]
 *
 * Reads lines of PROGRAM, NOW, WINDOW and a cookie value, tab separated, and
 * prints for each its status and its touches, last one first.  With NAME, the
 * last field is a Cookie header, or several with a CR between them, in which
 * the first cookie of that name that verifies is looked for.
 */

#define _GNU_SOURCE

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "referral_cookie.h"


typedef struct {
    referral_str_t            program;
    int64_t                   now;
    int64_t                   window;
    referral_str_t            rest;
} line_t;

typedef struct {
    unsigned                  tried;
    referral_cookie_status_t  status;
    referral_touches_t        touches;
} result_t;


static void
fail(const char *what)
{
    fprintf(stderr, "cookie_cli: %s\n", what);
    exit(1);
}


static referral_keys_t *
read_keys(const char *path)
{
    FILE             *file;
    char              text[8192];
    size_t            n;
    unsigned          line;
    const char       *why;
    referral_keys_t  *keys;

    file = fopen(path, "rb");
    if (file == NULL) {
        fail("cannot open the key file");
    }

    n = fread(text, 1, sizeof(text), file);
    fclose(file);

    keys = referral_keys_parse(text, n, &line, &why);
    if (keys == NULL) {
        fail(why);
    }

    return keys;
}


/* Takes what stands before the separator, or all. */

static referral_str_t
take(referral_str_t *rest, char separator)
{
    referral_str_t        field;
    const unsigned char  *end;

    field = *rest;
    end = memchr(rest->data, separator, rest->len);

    if (end != NULL) {
        field.len = end - rest->data;
    }

    rest->data += field.len + (end != NULL);
    rest->len -= field.len + (end != NULL);

    return field;
}


static void
try_value(const referral_keys_t *keys, const line_t *line,
    referral_str_t value, result_t *result)
{
    result->tried++;
    result->status = referral_cookie_verify(keys, line->program, value,
                                            line->now, line->window,
                                            &result->touches);
}


static void
try_header(const referral_keys_t *keys, const line_t *line,
    referral_str_t header, referral_str_t name, result_t *result)
{
    size_t          pos;
    referral_str_t  value;

    pos = 0;

    while (result->status != REFERRAL_COOKIE_VALID
           && result->tried < REFERRAL_COOKIE_CANDIDATES
           && referral_cookie_next(header, name, &pos, &value))
    {
        try_value(keys, line, value, result);
    }
}


static void
print_touch(const referral_touch_t *touch)
{
    printf(" %" PRId64 ",%.*s,%.*s,%.*s", touch->time,
           touch->code_len, (const char *) touch->code,
           touch->channel_len, (const char *) touch->channel,
           touch->click_len, (const char *) touch->click);
}


static void
print_result(const result_t *result)
{
    static const char *const  names[] = {
        "none", "valid", "expired", "invalid"
    };

    printf("%s", names[result->status]);

    if (result->status == REFERRAL_COOKIE_VALID
        || result->status == REFERRAL_COOKIE_EXPIRED)
    {
        print_touch(&result->touches.last);
        print_touch(&result->touches.first);
    }

    printf("\n");
}


static void
run(const referral_keys_t *keys, referral_str_t name, line_t *line)
{
    result_t  result;

    memset(&result, 0, sizeof(result));

    if (name.len == 0) {
        try_value(keys, line, line->rest, &result);
    }

    while (name.len && line->rest.len) {
        try_header(keys, line, take(&line->rest, '\r'), name, &result);
    }

    print_result(&result);
}


int
main(int argc, char **argv)
{
    char             *text;
    line_t            line;
    size_t            size;
    ssize_t           n;
    referral_str_t    name;
    referral_keys_t  *keys;

    if (argc != 2 && argc != 3) {
        fail("usage: cookie_cli KEY_FILE [NAME]");
    }

    keys = read_keys(argv[1]);

    name.data = (const unsigned char *) (argc == 3 ? argv[2] : "");
    name.len = strlen((const char *) name.data);

    text = NULL;
    size = 0;

    while ((n = getline(&text, &size, stdin)) > 0) {
        line.rest.data = (const unsigned char *) text;
        line.rest.len = n - (text[n - 1] == '\n');
        line.program = take(&line.rest, '\t');
        line.now = atoll((const char *) take(&line.rest, '\t').data);
        line.window = atoll((const char *) take(&line.rest, '\t').data);

        run(keys, name, &line);
    }

    free(text);
    referral_keys_free(keys);

    return 0;
}
