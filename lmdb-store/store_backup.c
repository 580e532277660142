/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Backup: a copy in a directory of its own.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/stat.h>

#include "store_internal.h"


/* The directory, or where it would be: its parent. */

static int
store_backup_parent(const char *dir)
{
    int   fd;
    char  path[PATH_MAX];

    fd = open(dir, O_PATH|O_DIRECTORY|O_CLOEXEC);

    if (fd == -1 && errno == ENOENT && strlen(dir) < sizeof(path)) {
        (void) strcpy(path, dir);
        fd = open(dirname(path), O_PATH|O_DIRECTORY|O_CLOEXEC);
    }

    return fd;
}


/* Goes up from there to the root, whatever links led to it.  -1: errno. */

static int
store_backup_inside(referral_store_t *store, const char *dir)
{
    int          fd, up, inside;
    struct stat  st, above;

    fd = store_backup_parent(dir);

    if (fd == -1) {
        return -1;
    }

    inside = fstat(fd, &st);

    while (inside == 0) {

        if (st.st_dev == store->dev && st.st_ino == store->ino) {
            inside = 1;
            break;
        }

        up = openat(fd, "..", O_PATH|O_DIRECTORY|O_CLOEXEC);

        if (up == -1) {
            inside = -1;
            break;
        }

        (void) close(fd);
        fd = up;
        inside = fstat(fd, &above);

        if (st.st_dev == above.st_dev && st.st_ino == above.st_ino) {
            break;
        }

        st = above;
    }

    (void) close(fd);

    return inside;
}


static int
store_backup_empty(const char *path)
{
    int             n;
    DIR            *dir;
    struct dirent  *entry;

    dir = opendir(path);
    if (dir == NULL) {
        return -1;
    }

    n = 0;

    while ((entry = readdir(dir)) != NULL) {
        n += strcmp(entry->d_name, ".") != 0
             && strcmp(entry->d_name, "..") != 0;
    }

    (void) closedir(dir);

    return n == 0;
}


static referral_rc_t
store_backup_place(referral_store_t *store, const char *dir, unsigned *made,
    referral_error_t *err)
{
    int            inside, empty;
    referral_rc_t  rc;

    *made = 0;
    inside = store_backup_inside(store, dir);

    if (inside == 1) {
        store_error(err, REFERRAL_INVALID, 0, "\"%s\" is inside of the "
                    "store \"%s\"", dir, store->path);
        return REFERRAL_INVALID;
    }

    *made = (inside == 0 && mkdir(dir, 0700) == 0);

    if (*made) {
        return REFERRAL_OK;
    }

    empty = (inside == 0 && errno == EEXIST) ? store_backup_empty(dir) : -1;

    if (empty == -1) {
        rc = store_rc(errno);
        store_error(err, rc, errno, "cannot use \"%s\"", dir);
        return rc;
    }

    if (!empty) {
        store_error(err, REFERRAL_EXISTS, 0, "\"%s\" is not empty", dir);
        return REFERRAL_EXISTS;
    }

    return REFERRAL_OK;
}


/* Only now it has the name of a store. */

static referral_rc_t
store_backup_name(const char *dir, const char *part, unsigned made,
    referral_error_t *err)
{
    int            rc;
    char           file[PATH_MAX], above[PATH_MAX];
    referral_rc_t  result;

    (void) snprintf(file, sizeof(file), "%s/data.mdb", dir);
    (void) snprintf(above, sizeof(above), "%s/..", dir);

    rc = rename(part, file) == -1 ? errno : 0;

    if (rc != 0) {
        (void) unlink(part);

    } else {
        rc = store_sync_directory(dir);

        /* it may be one that we can enter, but not read */

        if (rc == 0 && made) {
            rc = store_sync_directory(above);
            rc = (rc == EACCES) ? 0 : rc;
        }
    }

    result = store_rc(rc);

    if (rc != 0) {
        store_error(err, result, rc, "cannot create \"%s\"", file);
    }

    return result;
}


referral_rc_t
referral_store_backup(referral_store_t *store, const char *dir,
    const referral_watch_t *watch, uint64_t *bytes, referral_error_t *err)
{
    char           part[PATH_MAX];
    unsigned       made;
    store_copy_t   copy;
    referral_rc_t  rc;

    *bytes = 0;
    rc = store_may_write(store, err);

    if (rc != REFERRAL_OK) {
        return rc;
    }

    if (strlen(dir) + sizeof("/data.mdb.part") > sizeof(part)) {
        store_error(err, REFERRAL_SYSTEM, ENAMETOOLONG,
                    "the path of the backup is too long");
        return REFERRAL_SYSTEM;
    }

    rc = store_backup_place(store, dir, &made, err);

    if (rc != REFERRAL_OK) {
        return rc;
    }

    (void) snprintf(part, sizeof(part), "%s/data.mdb.part", dir);

    memset(&copy, 0, sizeof(store_copy_t));
    copy.path = part;
    copy.paced = 1;
    copy.renewed = 1;
    copy.watch = watch;

    rc = store_copy(store, &copy, bytes, err);

    if (rc == REFERRAL_OK) {
        rc = store_backup_name(dir, part, made, err);
    }

    if (rc != REFERRAL_OK && made) {
        (void) rmdir(dir);
    }

    return rc;
}
