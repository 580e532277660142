/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <sys/mman.h>

#include <openssl/crypto.h>

#include "referral_secret.h"


void *
referral_secret_alloc(size_t size)
{
    void  *data;

    data = mmap(NULL, size, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS,
                -1, 0);

    if (data == MAP_FAILED) {
        return NULL;
    }

    if (referral_secret_hide(data, size) != 0) {
        (void) munmap(data, size);
        return NULL;
    }

    return data;
}


void
referral_secret_free(void *data, size_t size)
{
    if (data != NULL) {
        OPENSSL_cleanse(data, size);
        (void) munmap(data, size);
    }
}


int
referral_secret_hide(void *data, size_t size)
{
    return madvise(data, size, MADV_DONTDUMP);
}
