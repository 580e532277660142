/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * A library for LD_PRELOAD: no random numbers of libcrypto while there is the
 * file that REFERRAL_NORANDOM names.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>


int  RAND_bytes(unsigned char *buf, int n);


static char  *norandom;


/* nginx takes the environment away from its workers. */

static __attribute__((constructor)) void
norandom_name(void)
{
    char  *name;

    name = getenv("REFERRAL_NORANDOM");
    norandom = name ? strdup(name) : NULL;
}


int
RAND_bytes(unsigned char *buf, int n)
{
    static int  (*bytes)(unsigned char *buf, int n);

    if (norandom != NULL && access(norandom, F_OK) == 0) {
        memset(buf, 0, (size_t) n);
        return 0;
    }

    if (bytes == NULL) {
        *(void **) &bytes = dlsym(RTLD_NEXT, "RAND_bytes");
    }

    return bytes(buf, n);
}
