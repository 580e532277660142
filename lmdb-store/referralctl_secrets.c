/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * keygen, token: secrets, and the lines of the files nginx reads them from.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <openssl/evp.h>

#include "referralctl.h"


#define CTL_KID_MAX     8
#define CTL_NAME_MAX    64
#define CTL_SECRET      32                  /* bytes */
#define CTL_BASE64      44                  /* of a secret, one "=" of it */
#define CTL_TOKEN       (sizeof("rt_") - 1 + CTL_BASE64)
#define CTL_HASH        64                  /* SHA-256 in hexadecimal */
#define CTL_LINE        (CTL_NAME_MAX + sizeof(" write ") + CTL_HASH + 1)


static ctl_rc_t ctl_create(const char *path, const char *line);
static int ctl_make_token(char *token, char *hash);
static ctl_rc_t ctl_append(const char *path, const char *name,
    const char *line);
static ctl_rc_t ctl_append_locked(FILE *file, const char *path,
    const char *name, const char *line);
static int ctl_has_name(FILE *file, const char *name, int *cut);
static int ctl_write(int fd, const char *before, const char *line);
static int ctl_random(char *base64);
static int ctl_is_name(const char *name, size_t max, const char *others);


ctl_rc_t
ctl_keygen(const ctl_args_t *args)
{
    char         base64[CTL_BASE64 + 1];
    char         line[CTL_KID_MAX + sizeof(":\n") + CTL_BASE64];
    const char  *kid;

    kid = args->words[0] ? args->words[0] : "k1";

    if (!ctl_is_name(kid, CTL_KID_MAX, "_-")) {
        return ctl_fail("the key id \"%s\" is not 1 to %d characters of "
                        "[A-Za-z0-9_-]", kid, CTL_KID_MAX);
    }

    if (ctl_random(base64) != 0) {
        return ctl_fail("no random bytes (%s)", strerror(errno));
    }

    (void) snprintf(line, sizeof(line), "%s:%s\n", kid, base64);

    if (args->words[1] != NULL) {
        return ctl_create(args->words[1], line);
    }

    (void) fputs(line, stdout);

    return CTL_OK;
}


static ctl_rc_t
ctl_create(const char *path, const char *line)
{
    int  fd, rc, sys;

    fd = open(path, O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC, 0600);

    if (fd == -1 && errno == EEXIST) {
        return ctl_fail("\"%s\" exists, and a key is not overwritten: to add "
                        "one, run keygen without a file", path);
    }

    if (fd == -1) {
        return ctl_fail("cannot create \"%s\" (%s)", path, strerror(errno));
    }

    rc = ctl_write(fd, "", line);
    sys = errno;
    (void) close(fd);

    if (rc == -1) {
        (void) unlink(path);
        return ctl_fail("cannot write \"%s\" (%s)", path, strerror(sys));
    }

    return CTL_OK;
}


ctl_rc_t
ctl_token(const ctl_args_t *args)
{
    char         token[CTL_TOKEN + 1], hash[CTL_HASH + 1], line[CTL_LINE];
    ctl_rc_t     rc;
    const char  *name, *scope;

    name = args->words[0];
    scope = args->words[1];

    if (!ctl_is_name(name, CTL_NAME_MAX, "._-")) {
        return ctl_fail("the name \"%s\" is not 1 to %d characters of "
                        "[A-Za-z0-9._-]", name, CTL_NAME_MAX);
    }

    if (strcmp(scope, "read") != 0 && strcmp(scope, "write") != 0
        && strcmp(scope, "admin") != 0)
    {
        return ctl_fail("the scope \"%s\" is not \"read\", \"write\" or "
                        "\"admin\"", scope);
    }

    if (ctl_make_token(token, hash) != 0) {
        return ctl_fail("cannot make a token");
    }

    (void) snprintf(line, sizeof(line), "%s %s %s\n", name, scope, hash);

    if (args->words[2] == NULL) {
        (void) printf("%s\nline for the token_file: %s", token, line);
        return CTL_OK;
    }

    rc = ctl_append(args->words[2], name, line);

    if (rc == CTL_OK) {
        (void) puts(token);
    }

    return rc;
}


static int
ctl_make_token(char *token, char *hash)
{
    size_t         i;
    unsigned char  digest[EVP_MAX_MD_SIZE];

    memcpy(token, "rt_", 3);

    if (ctl_random(token + 3) != 0) {
        return -1;
    }

    for (i = 3; token[i] != '='; i++) {
        token[i] = (token[i] == '+') ? '-' : (token[i] == '/') ? '_'
                                                                : token[i];
    }

    token[i] = '\0';

    if (EVP_Digest(token, i, digest, NULL, EVP_sha256(), NULL) != 1) {
        return -1;
    }

    for (i = 0; i < CTL_HASH / 2; i++) {
        (void) sprintf(hash + 2 * i, "%02x", digest[i]);
    }

    return 0;
}


static ctl_rc_t
ctl_append(const char *path, const char *name, const char *line)
{
    int          fd;
    FILE        *file;
    ctl_rc_t     rc;
    struct stat  st;

    fd = open(path, O_RDWR|O_APPEND|O_CREAT|O_NONBLOCK|O_CLOEXEC, 0600);

    if (fd == -1 || fstat(fd, &st) == -1) {
        return ctl_fail("cannot open \"%s\" (%s)", path, strerror(errno));
    }

    if (!S_ISREG(st.st_mode)) {
        return ctl_fail("\"%s\" is not a regular file", path);
    }

    file = (flock(fd, LOCK_EX) == -1) ? NULL : fdopen(fd, "r");

    if (file == NULL) {
        return ctl_fail("cannot lock \"%s\" (%s)", path, strerror(errno));
    }

    rc = ctl_append_locked(file, path, name, line);
    (void) fclose(file);

    return rc;
}


static ctl_rc_t
ctl_append_locked(FILE *file, const char *path, const char *name,
    const char *line)
{
    int    cut, sys;
    off_t  size;

    if (ctl_has_name(file, name, &cut)) {
        return ctl_fail("\"%s\" has a token \"%s\" already, and a name may "
                        "stand there once", path, name);
    }

    size = ferror(file) ? -1 : ftello(file);

    if (size == -1) {
        return ctl_fail("cannot read \"%s\" (%s)", path, strerror(errno));
    }

    if (ctl_write(fileno(file), cut ? "\n" : "", line) == -1) {
        sys = errno;

        if (ftruncate(fileno(file), size) == -1) {
            return ctl_fail("cannot write \"%s\" (%s), its last line is not "
                            "whole", path, strerror(sys));
        }

        return ctl_fail("cannot write \"%s\" (%s)", path, strerror(sys));
    }

    return CTL_OK;
}


/* Reads all; *cut: the last line has no end. */

static int
ctl_has_name(FILE *file, const char *name, int *cut)
{
    int      found;
    char    *line, *word;
    size_t   size, len;
    ssize_t  n;

    line = NULL;
    size = 0;
    found = 0;
    *cut = 0;

    while (!found && (n = getline(&line, &size, file)) > 0) {
        word = line + strspn(line, " \t\r");
        len = strcspn(word, " \t\r\n");

        found = len == strlen(name) && memcmp(word, name, len) == 0;
        *cut = line[n - 1] != '\n';
    }

    free(line);

    return found;
}


/* Not by a FILE, which would try again what failed, when it is closed. */

static int
ctl_write(int fd, const char *before, const char *line)
{
    return (dprintf(fd, "%s%s", before, line) < 0) ? -1 : fsync(fd);
}


/* A secret in base64, CTL_BASE64 characters, terminated. */

static int
ctl_random(char *base64)
{
    unsigned char  secret[CTL_SECRET];

    /* up to 256 bytes come whole or not at all */

    if (getrandom(secret, sizeof(secret), 0) != sizeof(secret)) {
        return -1;
    }

    (void) EVP_EncodeBlock((unsigned char *) base64, secret, sizeof(secret));

    return 0;
}


static int
ctl_is_name(const char *name, size_t max, const char *others)
{
    size_t  i;

    for (i = 0; name[i] != '\0'; i++) {
        if (!((name[i] >= 'A' && name[i] <= 'Z')
              || (name[i] >= 'a' && name[i] <= 'z')
              || (name[i] >= '0' && name[i] <= '9')
              || strchr(others, name[i]) != NULL))
        {
            return 0;
        }
    }

    return i != 0 && i <= max;
}
