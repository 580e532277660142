/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Records stay in a log until others take their place, which may be never.
 * After an erasure each owner of a log wipes what is applied, at its own
 * time, and says so behind the log's header; logs nobody owns are emptied.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/stat.h>

#include "store_internal.h"
#include "referral_tools.h"


#define STORE_WIPED  (STORE_RING_HEADER - sizeof(uint64_t))


referral_rc_t
store_erasures(referral_store_t *store, uint64_t *count,
    referral_error_t *err)
{
    return store_read_meta(store, MDB_RDONLY, "E", 1, count,
                           sizeof(uint64_t), err);
}


uint64_t
store_log_wiped(int fd)
{
    uint64_t  count;

    return (pread(fd, &count, sizeof(count), STORE_WIPED) == sizeof(count))
           ? count : 0;
}


int
store_log_wipe(int fd, uint64_t size, uint64_t from, uint64_t to)
{
    size_t         len;
    off_t          offset;
    ssize_t        n;
    uint64_t       left;
    unsigned char  zeros[65536];

    memset(zeros, 0, sizeof(zeros));

    while (from < to) {
        left = size - from % size;
        left = (left < to - from) ? left : to - from;
        len = (left < sizeof(zeros)) ? left : sizeof(zeros);
        offset = (off_t) (STORE_RING_HEADER + from % size);

        n = pwrite(fd, zeros, len, offset);

        if (n == -1 && errno == EINTR) {
            continue;
        }

        if (n <= 0) {
            return -1;
        }

        from += (uint64_t) n;
    }

    return 0;
}


int
store_log_mark(int fd, uint64_t count)
{
    return (pwrite(fd, &count, sizeof(count), STORE_WIPED) == sizeof(count))
           ? fdatasync(fd) : -1;
}


referral_rc_t
store_wipe_idle(referral_store_t *store, referral_error_t *err)
{
    unsigned       slot;
    store_slot_t   s;
    referral_rc_t  rc;

    for (slot = 0; slot < STORE_MAX_SLOTS; slot++) {
        rc = store_slot_lock(store, slot, 0, &s, err);

        if (rc == REFERRAL_BUSY) {
            continue;
        }

        if (rc != REFERRAL_OK) {
            return (rc == REFERRAL_NOT_FOUND) ? REFERRAL_OK : rc;
        }

        /* who died just now left what is not applied */

        if (!store_slot_orphaned(store, &s)
            && (ftruncate(s.log_fd, 0) == -1 || fsync(s.log_fd) == -1))
        {
            rc = REFERRAL_SYSTEM;
            store_error(err, rc, errno, "cannot empty \"%s/intake-%03u.log\"",
                        store->path, slot);
        }

        store_slot_unlock(&s);

        if (rc != REFERRAL_OK) {
            return rc;
        }
    }

    return REFERRAL_OK;
}


referral_rc_t
referral_store_unwiped(referral_store_t *store, unsigned *logs,
    referral_error_t *err)
{
    int            fd;
    char           path[sizeof(store->path) + 32];
    unsigned       slot;
    uint64_t       count;
    struct stat    st;
    referral_rc_t  rc;

    *logs = 0;
    rc = store_erasures(store, &count, err);

    for (slot = 0; rc == REFERRAL_OK && slot < STORE_MAX_SLOTS; slot++) {
        (void) snprintf(path, sizeof(path), "%s/intake-%03u.log", store->path,
                        slot);

        fd = open(path, O_RDONLY|O_CLOEXEC|O_NOFOLLOW);

        if (fd == -1 && errno == ENOENT) {
            break;
        }

        if (fd == -1 || fstat(fd, &st) == -1) {
            rc = REFERRAL_SYSTEM;
            store_error(err, rc, errno, "cannot read \"%s\"", path);

        } else if (st.st_size > STORE_RING_HEADER
                   && store_log_wiped(fd) < count)
        {
            (*logs)++;
        }

        if (fd != -1) {
            (void) close(fd);
        }
    }

    return rc;
}
