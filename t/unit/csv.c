/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * CSV that spreadsheets do not run, t/vectors/csv_injection.json among it.
 */

#include <jansson.h>

#include "referral_csv.h"
#include "tap.h"


static unsigned char   out[4096];
static referral_csv_t  csv;


static referral_str_t
str(const char *text)
{
    return (referral_str_t) { strlen(text), (const unsigned char *) text };
}


static void
begin(size_t size)
{
    referral_csv_init(&csv, out, size);
}


static void
text_is(const char *text, const char *want)
{
    begin(sizeof(out));
    referral_csv_text(&csv, str(text));
    tap_is_str(out, csv.pos - out, want, want);
}


/* What a reader of RFC 4180 sees of one quoted field; -1: it is not one. */

static int
read_field(unsigned char *to)
{
    int                   n;
    const unsigned char  *p;

    if (csv.pos - out < 2 || out[0] != '"' || csv.pos[-1] != '"') {
        return -1;
    }

    n = 0;

    for (p = out + 1; p < csv.pos - 1; p++) {
        if (*p == '"' && (++p == csv.pos - 1 || *p != '"')) {
            return -1;
        }

        to[n++] = *p;
    }

    return n;
}


static int
is_formula(const unsigned char *p, int n)
{
    if (n > 0 && memchr("=+-@\t\r\n", *p, 8) != NULL) {
        return 1;
    }

    return n >= 3 && (memcmp(p, "\xef\xbc\x9d", 3) == 0
                      || memcmp(p, "\xef\xbc\x8b", 3) == 0
                      || memcmp(p, "\xef\xbc\x8d", 3) == 0
                      || memcmp(p, "\xef\xbc\xa0", 3) == 0);
}


static void
vector(const char *input, size_t len)
{
    int            n, skip;
    unsigned char  field[1024];

    begin(sizeof(out));
    referral_csv_text(&csv, (referral_str_t) { len,
                                               (const unsigned char *) input });
    n = read_field(field);
    skip = (n == (int) len + 1 && field[0] == '\'');

    if (!tap_ok(n - skip == (int) len
                && memcmp(field + skip, input, len) == 0
                && !is_formula(field, n)
                && skip >= is_formula((const unsigned char *) input, len),
                "vector of %zu bytes: read back, and no formula", len))
    {
        printf("# got %.*s\n", (int) (csv.pos - out), out);
    }
}


static void
vectors(void)
{
    size_t   i;
    json_t  *list, *input;

    list = json_load_file("t/vectors/csv_injection.json", JSON_ALLOW_NUL,
                          NULL);

    tap_ok(json_array_size(list) == 17, "17 vectors");

    for (i = 0; i < json_array_size(list); i++) {
        input = json_object_get(json_array_get(list, i), "input");
        vector(json_string_value(input), json_string_length(input));
    }

    json_decref(list);
}


static void
fields(void)
{
    text_is("", "\"\"");
    text_is("Anna", "\"Anna\"");
    text_is("a,b", "\"a,b\"");
    text_is("\"", "\"\"\"\"");
    text_is("a\"\"b", "\"a\"\"\"\"b\"");
    text_is("=\"x\"", "\"'=\"\"x\"\"\"");
    text_is("\xef\xbc\x9d", "\"'\xef\xbc\x9d\"");
    text_is("\xef\xbc\x8b", "\"'\xef\xbc\x8b\"");
    text_is("\xef\xbc\x8d", "\"'\xef\xbc\x8d\"");
    text_is("\xef\xbc\xa0", "\"'\xef\xbc\xa0\"");
    text_is("\xef\xbc\x9e", "\"\xef\xbc\x9e\"");
    text_is("\xef\xbc", "\"\xef\xbc\"");
    text_is("  =1", "\"'  =1\"");
    text_is("  ", "\"  \"");
    text_is("a=1", "\"a=1\"");
    text_is("'=1", "\"''=1\"");
    text_is(" '=1", "\"' '=1\"");
    text_is("'a", "\"'a\"");
}


static void
rows(void)
{
    const char  *want;

    begin(sizeof(out));

    tap_ok(referral_csv_head(&csv, "a,b") == 0, "the head");
    referral_csv_word(&csv, "x");
    referral_csv_number(&csv, -1234);
    referral_csv_none(&csv);
    referral_csv_id(&csv, UINT64_MAX);
    referral_csv_time(&csv, 0);
    referral_csv_time(&csv, 1795363199999);
    referral_csv_date(&csv, 20779);
    tap_ok(referral_csv_row(&csv) == 0, "a row");
    referral_csv_none(&csv);
    referral_csv_none(&csv);
    tap_ok(referral_csv_row(&csv) == 0, "an empty row");

    want = "a,b\r\n\"x\",-1234,,18446744073709551615,,\"2026-11-22T15:59:59Z\","
           "\"2026-11-22\"\r\n,\r\n";
    tap_is_str(out, csv.pos - out, want, "head and rows");
}


static void
room(void)
{
    begin(10);

    referral_csv_number(&csv, 12);
    referral_csv_number(&csv, 34);
    tap_ok(referral_csv_row(&csv) == 0, "a row that fits");

    referral_csv_text(&csv, str("\"\"\"\"\"\""));
    referral_csv_number(&csv, 1);
    tap_ok(referral_csv_row(&csv) == -1, "one that does not");
    tap_is_str(out, csv.pos - out, "12,34\r\n", "it is taken back");

    referral_csv_number(&csv, 7);
    tap_ok(referral_csv_row(&csv) == 0, "another that fits to the last byte");
    tap_is_str(out, csv.pos - out, "12,34\r\n7\r\n", "and is there");
    tap_ok(csv.pos == csv.end, "nothing is left");
    tap_ok(referral_csv_row(&csv) == -1, "not even for an end of line");
}


/* What was written is read as it was, whatever it begins with. */

static void
back(const char *text)
{
    char  *row, *cell;

    begin(sizeof(out));
    referral_csv_text(&csv, str(text));
    *csv.pos = '\0';
    row = (char *) out;
    cell = referral_csv_cell(&row);

    tap_ok(cell != NULL && strcmp(cell, text) == 0 && row == NULL,
           "%s: read back", text);
}


static void
cells(const char *text, const char *want)
{
    char    line[64], got[64], *row, *cell;
    size_t  n;

    (void) snprintf(line, sizeof(line), "%s", text);
    row = line;
    n = 0;

    while (row != NULL) {
        cell = referral_csv_cell(&row);
        n += (size_t) snprintf(got + n, sizeof(got) - n, "[%s]",
                               cell ? cell : "no CSV");
        row = cell ? row : NULL;
    }

    tap_is_str(got, n, want, text);
}


static void
reading(void)
{
    size_t  i;

    static const char *const  texts[] = {
        "", "a", "=1", "'=1", "''=1", " =1", "' =1", " '=1", "'", "''", "'a",
        "-", "'-", "@x", "+1", "\"", "\"\"", "=\"x\"", "a,b",
        "\xef\xbc\x9d" "1", "'\xef\xbc\x9d" "1", "'\xef\xbc"
    };

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        back(texts[i]);
    }

    cells("a,\"b,c\",,\"d\"\"e\"", "[a][b,c][][d\"e]");
    cells("a,", "[a][]");
    cells("", "[]");
    cells("\"a", "[no CSV]");
    cells("a,\"b\"c", "[a][no CSV]");
    cells("a b,c\"d", "[a b][c\"d]");
}


int
main(void)
{
    vectors();
    reading();
    fields();
    rows();
    room();

    return tap_done();
}
