/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * In libFuzzer's place: runs a target with each file of the directories named,
 * and says how many there were.
 */

#define _GNU_SOURCE

#include <dirent.h>

#include "fuzz.h"


#pragma weak LLVMFuzzerInitialize


/* A block of just that size. */

static void
replay_file(const char *path)
{
    FILE     *file;
    long      size;
    uint8_t  *data;

    file = fopen(path, "rb");

    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        exit(1);
    }

    size = ftell(file);
    rewind(file);
    data = malloc(size > 0 ? (size_t) size : 1);

    if (size < 0 || data == NULL
        || fread(data, 1, (size_t) size, file) != (size_t) size)
    {
        perror(path);
        exit(1);
    }

    fclose(file);

    (void) LLVMFuzzerTestOneInput(data, (size_t) size);

    free(data);
}


static unsigned
replay_directory(const char *path)
{
    DIR            *dir;
    char            name[4096];
    unsigned        n;
    struct dirent  *entry;

    dir = opendir(path);

    if (dir == NULL) {
        perror(path);
        exit(1);
    }

    n = 0;

    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.') {
            continue;
        }

        (void) snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);

        /* the one that is being run, should it be the last */

        (void) fprintf(stderr, "%s\n", name);
        replay_file(name);
        n++;
    }

    closedir(dir);

    return n;
}


int
main(int argc, char **argv)
{
    int       i;
    unsigned  n;

    if (LLVMFuzzerInitialize != NULL) {
        (void) LLVMFuzzerInitialize(&argc, &argv);
    }

    n = 0;

    for (i = 1; i < argc; i++) {
        n += replay_directory(argv[i]);
    }

    (void) printf("%u inputs\n", n);

    return 0;
}
