/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * One slot as files: the log beside the store, whose lock is the ownership of
 * the slot, and the ring on a memory file system.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "store_internal.h"


static void
store_hex(char *out, const unsigned char *data, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        (void) sprintf(out + 2 * i, "%02x", data[i]);
    }
}


void
store_slot_place(referral_store_t *store, store_slot_t *s, const char *dir)
{
    char  id[33], incarnation[17];

    store_hex(id, store->head.id, sizeof(store->head.id));
    store_hex(incarnation, store->head.incarnation,
              sizeof(store->head.incarnation));

    (void) snprintf(s->ring_path, sizeof(s->ring_path),
                    "%s/referral-%s-%s-%03u", dir, id, incarnation, s->slot);
}


referral_rc_t
store_slot_lock(referral_store_t *store, unsigned slot, unsigned create,
    store_slot_t *s, referral_error_t *err)
{
    int   flags;
    char  path[sizeof(store->path) + 32];

    memset(s, 0, sizeof(store_slot_t));
    s->slot = slot;

    (void) snprintf(path, sizeof(path), "%s/intake-%03u.log", store->path,
                    slot);

    flags = O_RDWR|O_CLOEXEC|O_NOFOLLOW|(create ? O_CREAT : 0);

    s->log_fd = open(path, flags, 0600);

    if (s->log_fd == -1) {
        if (errno == ENOENT && !create) {
            return REFERRAL_NOT_FOUND;
        }

        store_error(err, store_rc(errno), errno, "open() \"%s\" failed", path);
        return store_rc(errno);
    }

    if (flock(s->log_fd, LOCK_EX|LOCK_NB) == -1) {
        (void) close(s->log_fd);
        return REFERRAL_BUSY;
    }

    store_slot_place(store, s, store->intake_path);

    return REFERRAL_OK;
}


static void
store_slot_unmap(store_slot_t *s)
{
    if (s->head != NULL) {
        (void) munmap(s->head, s->mapped);
        s->head = NULL;
    }
}


void
store_slot_unlock(store_slot_t *s)
{
    store_slot_unmap(s);
    (void) close(s->log_fd);
}


void
store_slot_unlink_ring(store_slot_t *s)
{
    store_slot_unmap(s);
    (void) unlink(s->ring_path);
}


static int
store_ring_ours(referral_store_t *store, store_slot_t *s,
    const store_ring_head_t *head)
{
    return memcmp(head->magic, STORE_RING_MAGIC, sizeof(head->magic)) == 0
           && memcmp(head->store_id, store->head.id, sizeof(head->store_id))
              == 0
           && memcmp(head->incarnation, store->head.incarnation,
                     sizeof(head->incarnation)) == 0
           && head->slot == s->slot
           && head->size % 8 == 0
           && head->size >= STORE_RING_MIN;
}


static referral_rc_t
store_ring_mmap(store_slot_t *s, int fd, size_t size, referral_error_t *err)
{
    void  *p;

    p = mmap(NULL, size, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_POPULATE, fd, 0);

    if (p == MAP_FAILED) {
        store_error(err, REFERRAL_SYSTEM, errno, "mmap() \"%s\" failed",
                    s->ring_path);
        return REFERRAL_SYSTEM;
    }

    s->head = p;
    s->data = (unsigned char *) p + STORE_RING_HEADER;
    s->mapped = size;
    s->size = size - STORE_RING_HEADER;

    return REFERRAL_OK;
}


referral_rc_t
store_slot_map(referral_store_t *store, store_slot_t *s,
    referral_error_t *err)
{
    int            fd;
    struct stat    st;
    referral_rc_t  rc;

    fd = open(s->ring_path, O_RDWR|O_CLOEXEC|O_NOFOLLOW);

    if (fd == -1) {
        if (errno == ENOENT) {
            return REFERRAL_NOT_FOUND;
        }

        store_error(err, REFERRAL_SYSTEM, errno, "open() \"%s\" failed",
                    s->ring_path);
        return REFERRAL_SYSTEM;
    }

    /* anybody may create files in /dev/shm; only our own are believed */

    if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)
        || st.st_uid != geteuid() || (st.st_mode & 077) != 0)
    {
        (void) close(fd);
        store_error(err, REFERRAL_BUSY, 0,
                    "ring \"%s\" belongs to another user", s->ring_path);
        return REFERRAL_BUSY;
    }

    if (st.st_size < (off_t) (STORE_RING_HEADER + STORE_RING_MIN)) {
        (void) close(fd);
        return REFERRAL_NOT_FOUND;
    }

    rc = store_ring_mmap(s, fd, (size_t) st.st_size, err);
    (void) close(fd);

    if (rc != REFERRAL_OK) {
        return rc;
    }

    if (!store_ring_ours(store, s, s->head) || s->head->size != s->size) {
        store_slot_unmap(s);
        return REFERRAL_NOT_FOUND;
    }

    return REFERRAL_OK;
}


static void
store_ring_head(referral_store_t *store, store_slot_t *s, uint64_t generation,
    uint64_t size, store_ring_head_t *head)
{
    memset(head, 0, sizeof(store_ring_head_t));

    memcpy(head->magic, STORE_RING_MAGIC, sizeof(head->magic));
    memcpy(head->store_id, store->head.id, sizeof(head->store_id));
    memcpy(head->incarnation, store->head.incarnation,
           sizeof(head->incarnation));

    head->generation = generation;
    head->size = size;
    head->slot = s->slot;
}


/*
 * The whole log is written once, so that later writes are in place and a
 * flush has no metadata to carry.
 */

static int
store_log_format(referral_store_t *store, store_slot_t *s,
    uint64_t generation)
{
    off_t               pos, end;
    ssize_t             n;
    struct stat         st;
    unsigned char       zeros[65536];
    store_ring_head_t   head;

    if (fstat(s->log_fd, &st) == -1) {
        return -1;
    }

    end = (off_t) (STORE_RING_HEADER + s->size);

    if (st.st_size > end && ftruncate(s->log_fd, end) == -1) {
        return -1;
    }

    memset(zeros, 0, sizeof(zeros));

    for (pos = (st.st_size < end) ? st.st_size : end; pos < end; pos += n) {
        n = (ssize_t) sizeof(zeros);

        if (end - pos < n) {
            n = end - pos;
        }

        n = pwrite(s->log_fd, zeros, (size_t) n, pos);

        if (n == -1 && errno == EINTR) {
            n = 0;

        } else if (n <= 0) {
            return -1;
        }
    }

    store_ring_head(store, s, generation, s->size, &head);

    if (pwrite(s->log_fd, &head, sizeof(head), 0) != sizeof(head)) {
        return -1;
    }

    return fdatasync(s->log_fd);
}


/* Allocates the ring's file, smaller when the file system is small. */

static referral_rc_t
store_ring_allocate(referral_store_t *store, int fd, size_t *size,
    referral_error_t *err)
{
    int       rc;
    uint64_t  want;

    want = store->intake_size;

    for ( ;; ) {

        /* not ftruncate(): a hole on a full tmpfs is a SIGBUS later */

        rc = posix_fallocate(fd, 0, (off_t) (STORE_RING_HEADER + want));

        if (rc == 0) {
            break;
        }

        if (rc == EINTR) {
            continue;
        }

        if (rc != ENOSPC || want / 2 < STORE_RING_MIN) {
            store_error(err, store_rc(rc), rc,
                        "no room for a ring of %llu kB in \"%s\"",
                        (unsigned long long) (want >> 10),
                        store->intake_path);
            return store_rc(rc);
        }

        want = (want / 2) & ~(uint64_t) 7;

        /* what was allocated so far would make the file too long */

        if (ftruncate(fd, 0) == -1) {
            store_error(err, REFERRAL_SYSTEM, errno,
                        "ftruncate() in \"%s\" failed", store->intake_path);
            return REFERRAL_SYSTEM;
        }
    }

    if (want < store->intake_size) {
        store_error(err, REFERRAL_OK, 0,
                    "\"%s\" has room for a ring of %llu kB only, not for "
                    "%llu kB", store->intake_path,
                    (unsigned long long) (want >> 10),
                    (unsigned long long) (store->intake_size >> 10));
    }

    *size = (size_t) (STORE_RING_HEADER + want);

    return REFERRAL_OK;
}


referral_rc_t
store_slot_format(referral_store_t *store, store_slot_t *s,
    uint64_t generation, referral_error_t *err)
{
    int            fd;
    size_t         size;
    referral_rc_t  rc;

    size = 0;
    store_slot_unlink_ring(s);

    fd = open(s->ring_path, O_RDWR|O_CREAT|O_EXCL|O_CLOEXEC|O_NOFOLLOW, 0600);

    if (fd == -1) {
        rc = store_rc(errno);
        store_error(err, rc, errno, "open() \"%s\" failed", s->ring_path);
        return rc;
    }

    rc = store_ring_allocate(store, fd, &size, err);

    if (rc == REFERRAL_OK) {
        rc = store_ring_mmap(s, fd, size, err);
    }

    (void) close(fd);

    if (rc != REFERRAL_OK) {
        (void) unlink(s->ring_path);
        return rc;
    }

    if (store->durable && store_log_format(store, s, generation) != 0) {
        rc = store_rc(errno);
        store_error(err, rc, errno, "cannot prepare \"%s/intake-%03u.log\"",
                    store->path, s->slot);
        store_slot_unlink_ring(s);
        return rc;
    }

    store_ring_head(store, s, generation, s->size, s->head);

    return REFERRAL_OK;
}


referral_rc_t
store_slot_read_log(referral_store_t *store, store_slot_t *s,
    store_ring_head_t **out, referral_error_t *err)
{
    off_t               pos, end;
    ssize_t             n;
    unsigned char      *buf;
    store_ring_head_t   head;

    n = pread(s->log_fd, &head, sizeof(head), 0);

    if (n != (ssize_t) sizeof(head) || !store_ring_ours(store, s, &head)
        || head.size > STORE_RING_MAX)
    {
        return REFERRAL_NOT_FOUND;
    }

    end = (off_t) (STORE_RING_HEADER + head.size);
    buf = NULL;

    if (posix_memalign((void **) &buf, 64, (size_t) end) != 0) {
        store_error(err, REFERRAL_FULL, ENOMEM, "malloc() failed");
        return REFERRAL_FULL;
    }

    for (pos = 0; pos < end; pos += n) {
        n = pread(s->log_fd, buf + pos, (size_t) (end - pos), pos);

        if (n == 0) {

            /* a power cut may have cut the file: there the log ends */

            memset(buf + pos, 0, (size_t) (end - pos));
            break;
        }

        if (n == -1 && errno == EINTR) {
            n = 0;

        } else if (n == -1) {
            store_error(err, REFERRAL_SYSTEM, errno,
                        "cannot read \"%s/intake-%03u.log\"", store->path,
                        s->slot);
            free(buf);
            return REFERRAL_SYSTEM;
        }
    }

    *out = (store_ring_head_t *) buf;

    return REFERRAL_OK;
}
