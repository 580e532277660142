/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * A library for LD_PRELOAD: a disk that takes 2 ms more for each flush.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <dlfcn.h>
#include <unistd.h>


int
fdatasync(int fd)
{
    static int  (*flush)(int fd);

    if (flush == NULL) {
        *(void **) &flush = dlsym(RTLD_NEXT, "fdatasync");
    }

    (void) usleep(2000);

    return flush(fd);
}
