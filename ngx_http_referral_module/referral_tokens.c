/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "referral_tokens.h"


typedef struct {
    const char        *data;
    size_t             len;
} referral_tokens_word_t;

typedef struct {
    unsigned char      hash[SHA256_DIGEST_LENGTH];
    unsigned char      scope;
    unsigned char      name_len;
    char               name[REFERRAL_TOKEN_NAME_MAX];
} referral_token_t;

struct referral_tokens_s {
    unsigned           n;
    referral_token_t   tokens[REFERRAL_TOKENS_MAX];
};


static const char *referral_tokens_read(referral_tokens_t *tokens,
    const char *text, size_t len, unsigned *line);
static const char *referral_tokens_add(referral_tokens_t *tokens,
    const char *line, size_t len);
static int referral_tokens_word(const char **p, const char *last,
    referral_tokens_word_t *word);
static int referral_tokens_name(referral_token_t *token,
    const referral_tokens_word_t *word);
static int referral_tokens_scope(referral_token_t *token,
    const referral_tokens_word_t *word);
static int referral_tokens_hash(referral_token_t *token,
    const referral_tokens_word_t *word);
static const char *referral_tokens_known(const referral_tokens_t *tokens,
    const referral_token_t *token);


referral_tokens_t *
referral_tokens_parse(const char *text, size_t len, unsigned *line,
    const char **why)
{
    referral_tokens_t  *tokens;

    *line = 0;
    *why = "out of memory";

    tokens = calloc(1, sizeof(referral_tokens_t));
    if (tokens == NULL) {
        return NULL;
    }

    *why = referral_tokens_read(tokens, text, len, line);

    if (*why != NULL) {
        referral_tokens_free(tokens);
        return NULL;
    }

    return tokens;
}


static const char *
referral_tokens_read(referral_tokens_t *tokens, const char *text, size_t len,
    unsigned *line)
{
    const char  *end, *last, *why;

    last = text + len;

    while (text < last) {
        end = memchr(text, '\n', last - text);
        if (end == NULL) {
            end = last;
        }

        (*line)++;

        why = referral_tokens_add(tokens, text, end - text);
        if (why != NULL) {
            return why;
        }

        text = (end == last) ? last : end + 1;
    }

    *line = 0;

    return tokens->n ? NULL : "there is no token";
}


static const char *
referral_tokens_add(referral_tokens_t *tokens, const char *line, size_t len)
{
    const char              *last, *why;
    referral_token_t        *token;
    referral_tokens_word_t   name, scope, hash, rest;

    last = line + len;

    if (!referral_tokens_word(&line, last, &name) || name.data[0] == '#') {
        return NULL;
    }

    if (!referral_tokens_word(&line, last, &scope)
        || !referral_tokens_word(&line, last, &hash)
        || referral_tokens_word(&line, last, &rest))
    {
        return "the line is not \"name scope hash\"";
    }

    if (tokens->n == REFERRAL_TOKENS_MAX) {
        return "there are more than 256 tokens";
    }

    token = &tokens->tokens[tokens->n];

    if (!referral_tokens_name(token, &name)) {
        return "the name is not 1 to 64 characters of [A-Za-z0-9._-]";
    }

    if (!referral_tokens_scope(token, &scope)) {
        return "the scope is not \"read\", \"write\" or \"admin\"";
    }

    if (!referral_tokens_hash(token, &hash)) {
        return "the hash is not 64 hexadecimal digits";
    }

    why = referral_tokens_known(tokens, token);

    if (why == NULL) {
        tokens->n++;
    }

    return why;
}


static int
referral_tokens_word(const char **p, const char *last,
    referral_tokens_word_t *word)
{
    while (*p < last && (**p == ' ' || **p == '\t' || **p == '\r')) {
        (*p)++;
    }

    word->data = *p;

    while (*p < last && **p != ' ' && **p != '\t' && **p != '\r') {
        (*p)++;
    }

    word->len = *p - word->data;

    return word->len != 0;
}


static int
referral_tokens_name(referral_token_t *token,
    const referral_tokens_word_t *word)
{
    char    c;
    size_t  i;

    if (word->len > REFERRAL_TOKEN_NAME_MAX) {
        return 0;
    }

    for (i = 0; i < word->len; i++) {
        c = word->data[i];

        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')
              || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-'))
        {
            return 0;
        }
    }

    memcpy(token->name, word->data, word->len);
    token->name_len = word->len;

    return 1;
}


static int
referral_tokens_scope(referral_token_t *token,
    const referral_tokens_word_t *word)
{
    unsigned     i;
    const char  *name;

    for (i = REFERRAL_SCOPE_READ; i <= REFERRAL_SCOPE_ADMIN; i++) {
        name = referral_scope_name(i);

        if (word->len == strlen(name)
            && memcmp(word->data, name, word->len) == 0)
        {
            token->scope = (unsigned char) i;
            return 1;
        }
    }

    return 0;
}


static int
referral_tokens_hash(referral_token_t *token,
    const referral_tokens_word_t *word)
{
    char      c;
    size_t    i;
    unsigned  value;

    if (word->len != 2 * SHA256_DIGEST_LENGTH) {
        return 0;
    }

    for (i = 0; i < word->len; i++) {
        c = word->data[i] | 0x20;

        if (c >= 'a' && c <= 'f') {
            value = c - 'a' + 10;

        } else if (word->data[i] >= '0' && word->data[i] <= '9') {
            value = c - '0';

        } else {
            return 0;
        }

        token->hash[i / 2] = (unsigned char) (token->hash[i / 2] << 4 | value);
    }

    return 1;
}


static const char *
referral_tokens_known(const referral_tokens_t *tokens,
    const referral_token_t *token)
{
    unsigned                 i;
    const referral_token_t  *t;

    for (i = 0; i < tokens->n; i++) {
        t = &tokens->tokens[i];

        if (t->name_len == token->name_len
            && memcmp(t->name, token->name, t->name_len) == 0)
        {
            return "the name is a duplicate";
        }

        if (memcmp(t->hash, token->hash, SHA256_DIGEST_LENGTH) == 0) {
            return "the hash is a duplicate";
        }
    }

    return NULL;
}


void
referral_tokens_free(referral_tokens_t *tokens)
{
    free(tokens);
}


referral_scope_t
referral_tokens_check(const referral_tokens_t *tokens, const void *token,
    size_t len)
{
    unsigned       i, differs, scope;
    unsigned char  hash[SHA256_DIGEST_LENGTH];

    SHA256(token, len, hash);

    scope = REFERRAL_SCOPE_NONE;

    for (i = 0; i < tokens->n; i++) {
        differs = CRYPTO_memcmp(hash, tokens->tokens[i].hash, sizeof(hash));

        /* all ones when the hashes are equal; hashes are unique in the file */

        scope |= ((differs != 0) - 1u) & tokens->tokens[i].scope;
    }

    return scope;
}


const char *
referral_scope_name(referral_scope_t scope)
{
    static const char *const  names[] = { "none", "read", "write", "admin" };

    return names[scope <= REFERRAL_SCOPE_ADMIN ? scope : 0];
}
