/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The calls by which store and liblmdb reach the disk.  A program's own
 * functions come before those of the C library, also for the libraries that
 * it uses; so these are what liblmdb calls.
 */

#ifndef STORE_POWER_CALLS_H
#define STORE_POWER_CALLS_H

#include "store_power_trace.h"

#include <pthread.h>
#include <sys/random.h>
#include <sys/uio.h>


#define POWER_NO_FILE  (-1)
#define POWER_SHARED   128      /* kind of a mutex: between processes */


/* The number of a file of the store by its name. */

static int
power_file_named(const char *name)
{
    unsigned  i;

    for (i = 0; i < power_trace->nfiles; i++) {
        if (power_trace->files[i].ino != 0
            && strcmp(power_trace->files[i].name, name) == 0)
        {
            return (int) i;
        }
    }

    return POWER_NO_FILE;
}


/* The name of a path below the store; NULL: elsewhere, or of no interest. */

static const char *
power_name(const char *path)
{
    size_t  len;

    len = strlen(power_trace->dir);

    if (strncmp(path, power_trace->dir, len) != 0
        || strcmp(path + len, "lock.mdb") == 0
        || strlen(path + len) >= sizeof(power_trace->files[0].name))
    {
        return NULL;
    }

    return path + len;
}


/* The number of an open file; a new one is an entry. */

static int
power_file(int fd)
{
    char            link[32], path[256];
    ssize_t         n;
    unsigned        i;
    const char     *name;
    struct stat     st;
    power_inode_t  *file;

    if (power_trace == NULL || fstat(fd, &st) == -1) {
        return POWER_NO_FILE;
    }

    for (i = 0; i < power_trace->nfiles; i++) {
        file = &power_trace->files[i];

        if (file->ino == st.st_ino && file->dev == st.st_dev) {
            return (int) i;
        }
    }

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    path[n > 0 ? n : 0] = '\0';
    name = power_name(path);

    if (!S_ISREG(st.st_mode) || name == NULL || i == POWER_FILES) {
        return POWER_NO_FILE;
    }

    file = &power_trace->files[power_trace->nfiles++];
    file->dev = st.st_dev;
    file->ino = st.st_ino;
    snprintf(file->name, sizeof(file->name), "%s", name);
    power_put(POWER_CREATE, i, 0, 0, name, strlen(name) + 1);

    return (int) i;
}


/* A death between the meta page and what liblmdb notes of it in lock.mdb. */

static void
power_step_commit(const power_entry_t *entry)
{
    if (power != NULL && power->scheduled && entry->at < 8192
        && entry->len < 512
        && ++power->commits[power_proc] == power->die_at[power_proc])
    {
        raise(SIGKILL);
    }
}


static ssize_t
power_wrote(int fd, const struct iovec *iov, int count, off_t offset,
    ssize_t n)
{
    int             i, file;
    size_t          at, len, left;
    power_entry_t  *entry;

    file = (n > 0) ? power_file(fd) : POWER_NO_FILE;

    if (file == POWER_NO_FILE) {
        return n;
    }

    at = power_put(POWER_WRITE, (unsigned) file, (uint64_t) offset, 0, NULL,
                   (size_t) n);
    entry = power_entry(power_trace, at);
    left = (size_t) n;

    for (i = 0; i < count && left > 0; i++) {
        len = (iov[i].iov_len < left) ? iov[i].iov_len : left;
        memcpy((unsigned char *) (entry + 1) + ((size_t) n - left),
               iov[i].iov_base, len);
        left -= len;
    }

    power_step_commit(entry);
    power_step();

    if (fcntl(fd, F_GETFL) & O_DSYNC) {
        power_put(POWER_SYNCED, (unsigned) file, at, 0, NULL, 0);
    }

    return n;
}


static int
power_flush(int fd)
{
    int     file;
    size_t  at;

    file = power_file(fd);

    if (file == POWER_NO_FILE) {
        return 0;
    }

    if (power != NULL && power->control == POWER_LOG_UNFLUSHED
        && strncmp(power_trace->files[file].name, "intake", 6) == 0)
    {
        return 0;
    }

    at = power_put(POWER_FLUSH, (unsigned) file, 0, 0, NULL, 0);
    power_step();
    power_put(POWER_FLUSHED, (unsigned) file, at, 0, NULL, 0);
    power_step();

    return 0;
}


/* ------------------------------------------------------------ writing calls */

ssize_t
pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
    return power_wrote(fd, iov, count, offset,
                       syscall(SYS_pwritev, fd, iov, count, offset, 0));
}


ssize_t
pwrite(int fd, const void *buf, size_t len, off_t offset)
{
    struct iovec  iov;

    iov.iov_base = (void *) buf;
    iov.iov_len = len;

    return power_wrote(fd, &iov, 1, offset,
                       syscall(SYS_pwrite64, fd, buf, len, offset));
}


ssize_t
writev(int fd, const struct iovec *iov, int count)
{
    off_t  offset;

    offset = lseek(fd, 0, SEEK_CUR);

    return power_wrote(fd, iov, count, offset,
                       syscall(SYS_writev, fd, iov, count));
}


ssize_t
write(int fd, const void *buf, size_t len)
{
    struct iovec  iov;

    iov.iov_base = (void *) buf;
    iov.iov_len = len;

    return writev(fd, &iov, 1);
}


int
fdatasync(int fd)
{
    return (power_trace != NULL) ? power_flush(fd)
                                 : (int) syscall(SYS_fdatasync, fd);
}


int
fsync(int fd)
{
    return (power_trace != NULL) ? power_flush(fd)
                                 : (int) syscall(SYS_fsync, fd);
}


int
ftruncate(int fd, off_t size)
{
    int  rc, file;

    rc = (int) syscall(SYS_ftruncate, fd, size);
    file = (rc == 0) ? power_file(fd) : POWER_NO_FILE;

    if (file != POWER_NO_FILE) {
        power_put(POWER_SIZE, (unsigned) file, (uint64_t) size, 0, NULL, 0);
        power_step();
    }

    return rc;
}


int
fallocate(int fd, int mode, off_t offset, off_t len)
{
    int  rc, file;

    rc = (int) syscall(SYS_fallocate, fd, mode, offset, len);
    file = (rc == 0) ? power_file(fd) : POWER_NO_FILE;

    if (file != POWER_NO_FILE) {
        power_put((mode & FALLOC_FL_PUNCH_HOLE) ? POWER_PUNCH : POWER_ALLOCATE,
                  (unsigned) file, (uint64_t) offset, (uint64_t) len, NULL, 0);
        power_step();
    }

    return rc;
}


int
posix_fallocate(int fd, off_t offset, off_t len)
{
    return fallocate(fd, 0, offset, len) ? errno : 0;
}


int
rename(const char *from, const char *to)
{
    int          rc, file, other;
    const char  *name;

    rc = (int) syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);

    if (rc != 0 || power_trace == NULL || (name = power_name(to)) == NULL) {
        return rc;
    }

    file = power_name(from) ? power_file_named(power_name(from))
                            : POWER_NO_FILE;
    other = power_file_named(name);

    if (other != POWER_NO_FILE) {
        power_trace->files[other].ino = 0;
    }

    if (file != POWER_NO_FILE) {
        snprintf(power_trace->files[file].name,
                 sizeof(power_trace->files[file].name), "%s", name);
        power_put(POWER_RENAME, (unsigned) file, 0, 0, name, strlen(name) + 1);
        power_step();
    }

    return rc;
}


int
unlink(const char *path)
{
    int  rc, file;

    rc = (int) syscall(SYS_unlinkat, AT_FDCWD, path, 0);

    if (rc != 0 || power_trace == NULL || power_name(path) == NULL) {
        return rc;
    }

    file = power_file_named(power_name(path));

    if (file != POWER_NO_FILE) {
        power_trace->files[file].ino = 0;
        power_put(POWER_UNLINK, (unsigned) file, 0, 0, NULL, 0);
        power_step();
    }

    return rc;
}


/* ------------------------------------------------------ waiting, and chance */

/* All that a pipe is to give, however its two ends take turns. */

ssize_t
read(int fd, void *buf, size_t len)
{
    size_t       done;
    ssize_t      n;
    struct stat  st;

    n = syscall(SYS_read, fd, buf, len);

    if (n <= 0 || power == NULL || !power->scheduled || fstat(fd, &st) == -1
        || !S_ISFIFO(st.st_mode))
    {
        return n;
    }

    for (done = (size_t) n; done < len && n > 0; done += (size_t) n) {
        n = syscall(SYS_read, fd, (char *) buf + done, len - done);
        n = (n > 0) ? n : 0;
    }

    return (ssize_t) done;
}



int
pthread_mutex_lock(pthread_mutex_t *mutex)
{
    int  rc;

    while ((rc = pthread_mutex_trylock(mutex)) == EBUSY) {

        /* of another process, or of a thread of this one */

        if (power != NULL && power->scheduled
            && (mutex->__data.__kind & POWER_SHARED))
        {
            power_yield(1);

        } else {
            (void) nanosleep(&(struct timespec) { 0, 20000 }, NULL);
        }
    }

    return rc;
}


int
usleep(useconds_t us)
{
    struct timespec  ts;

    if (power != NULL && power->scheduled) {
        power_yield(0);
        return 0;
    }

    ts.tv_sec = us / 1000000;
    ts.tv_nsec = (long) (us % 1000000) * 1000;

    return nanosleep(&ts, NULL);
}


int
clock_gettime(clockid_t clock, struct timespec *ts)
{
    int64_t  ms;

    if (power == NULL || !power->scheduled) {
        return (int) syscall(SYS_clock_gettime, clock, ts);
    }

    if (clock == CLOCK_REALTIME) {
        ms = power->clock;
        ts->tv_sec = ms / 1000;
        ts->tv_nsec = ms % 1000 * 1000000;

    } else {
        power->mono++;
        ts->tv_sec = (time_t) (power->mono / 1000000);
        ts->tv_nsec = (long) (power->mono % 1000000) * 1000;
    }

    return 0;
}


ssize_t
getrandom(void *buf, size_t len, unsigned flags)
{
    size_t          i;
    unsigned char  *p;

    if (power == NULL || !power->scheduled) {
        return syscall(SYS_getrandom, buf, len, flags);
    }

    for (p = buf, i = 0; i < len; i++) {
        p[i] = (unsigned char) test_random(&power->bytes);
    }

    return (ssize_t) len;
}


/* Names that a library may have been built with. */

#define POWER_ALIAS(name)                                                     \
    extern __typeof(name) name##64 __attribute__((alias(#name)))

POWER_ALIAS(pwrite);
POWER_ALIAS(pwritev);
POWER_ALIAS(ftruncate);
POWER_ALIAS(fallocate);
POWER_ALIAS(posix_fallocate);


#endif /* STORE_POWER_CALLS_H */
