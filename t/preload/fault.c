/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * A library for LD_PRELOAD that lets system calls and allocations fail, come
 * short, take long, or be the last one of a process, and that sets the clock
 * of nginx and of nobody else.  The rules stand in a
 * file that $REFERRAL_FAULT names, which a test changes meanwhile; see
 * t/lib/Referral/Fault.pm.  A unit test includes this file instead, and
 * points fault_rules to memory it shares with its children.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <stdarg.h>
#include <time.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "fault_rules.h"


#define FAULT_IOV  64


/* --------------------------------------------------------------- writing -- */

ssize_t
write(int fd, const void *buf, size_t n)
{
    ssize_t       rc;
    fault_call_t  call = { FAULT_WRITE, fd, NULL, 0 };

    fault_around(call, rc, syscall(SYS_write, fd, buf, fault_half(n)));

    return rc;
}


ssize_t
pwrite(int fd, const void *buf, size_t n, off_t offset)
{
    ssize_t       rc;
    fault_call_t  call = { FAULT_PWRITE, fd, NULL, (uint64_t) offset };

    fault_around(call, rc, syscall(SYS_pwrite64, fd, buf, fault_half(n),
                                   offset));

    return rc;
}


ssize_t
pwrite64(int fd, const void *buf, size_t n, off64_t offset)
{
    return pwrite(fd, buf, n, offset);
}


/* Half of the bytes of all. */

static int
fault_halve(const struct iovec *iov, int n, struct iovec *out)
{
    int     i;
    size_t  left;

    left = 0;

    for (i = 0; i < n; i++) {
        left += iov[i].iov_len;
    }

    left = (left > 1) ? left / 2 : left;

    for (i = 0; i < n && i < FAULT_IOV && left > 0; i++) {
        out[i] = iov[i];
        out[i].iov_len = (iov[i].iov_len < left) ? iov[i].iov_len : left;
        left -= out[i].iov_len;
    }

    return i;
}


ssize_t
writev(int fd, const struct iovec *iov, int n)
{
    ssize_t       rc;
    fault_t       fault;
    fault_call_t  call = { FAULT_WRITEV, fd, NULL, 0 };
    struct iovec  half[FAULT_IOV];

    if (fault_rules != NULL && (rc = syscall(SYS_lseek, fd, 0, SEEK_CUR)) > 0)
    {
        call.offset = (uint64_t) rc;
    }

    if (fault_look(call, &fault) && fault.error != 0) {
        errno = (int) fault.error;
        rc = -1;

    } else if (fault.half) {
        n = fault_halve(iov, n, half);
        rc = syscall(SYS_writev, fd, half, n);

    } else {
        rc = syscall(SYS_writev, fd, iov, n);
    }

    fault_done(&fault);

    return rc;
}


off_t
lseek(int fd, off_t offset, int whence)
{
    off_t         rc;
    fault_call_t  call = { FAULT_LSEEK, fd, NULL, (uint64_t) offset };

    fault_around(call, rc, syscall(SYS_lseek, fd, offset, whence));

    return rc;
}


off64_t
lseek64(int fd, off64_t offset, int whence)
{
    return lseek(fd, offset, whence);
}


ssize_t
pread(int fd, void *buf, size_t n, off_t offset)
{
    ssize_t       rc;
    fault_call_t  call = { FAULT_PREAD, fd, NULL, (uint64_t) offset };

    fault_around(call, rc, syscall(SYS_pread64, fd, buf, fault_half(n),
                                   offset));

    return rc;
}


ssize_t
pread64(int fd, void *buf, size_t n, off64_t offset)
{
    return pread(fd, buf, n, offset);
}


/* -------------------------------------------------------------- flushing -- */

int
fsync(int fd)
{
    int           rc;
    fault_call_t  call = { FAULT_SYNC, fd, NULL, 0 };

    fault_around(call, rc, (int) syscall(SYS_fsync, fd));

    return rc;
}


int
fdatasync(int fd)
{
    int           rc;
    fault_call_t  call = { FAULT_SYNC, fd, NULL, 0 };

    fault_around(call, rc, (int) syscall(SYS_fdatasync, fd));

    return rc;
}


int
msync(void *p, size_t n, int flags)
{
    int           rc;
    fault_call_t  call = { FAULT_SYNC, -1, "", 0 };

    fault_around(call, rc, (int) syscall(SYS_msync, p, n, flags));

    return rc;
}


/* -------------------------------------------------------------- room, open */

int
ftruncate(int fd, off_t length)
{
    int           rc;
    fault_call_t  call = { FAULT_ALLOCATE, fd, NULL, 0 };

    fault_around(call, rc, (int) syscall(SYS_ftruncate, fd, length));

    return rc;
}


int
ftruncate64(int fd, off64_t length)
{
    return ftruncate(fd, length);
}


int
fallocate(int fd, int mode, off_t offset, off_t len)
{
    int           rc;
    fault_call_t  call = { FAULT_ALLOCATE, fd, NULL, 0 };

    fault_around(call, rc, (int) syscall(SYS_fallocate, fd, mode, offset,
                                         len));

    return rc;
}


int
fallocate64(int fd, int mode, off64_t offset, off64_t len)
{
    return fallocate(fd, mode, offset, len);
}


int
posix_fallocate(int fd, off_t offset, off_t len)
{
    int  rc, saved;

    saved = errno;
    rc = (fallocate(fd, 0, offset, len) == -1) ? errno : 0;
    errno = saved;

    return rc;
}


int
posix_fallocate64(int fd, off64_t offset, off64_t len)
{
    return posix_fallocate(fd, offset, len);
}


void *
mmap(void *p, size_t n, int prot, int flags, int fd, off_t offset)
{
    long          rc;
    fault_call_t  call = { FAULT_MMAP, fd, (fd == -1) ? "" : NULL, 0 };

    fault_around(call, rc, syscall(SYS_mmap, p, n, prot, flags, fd, offset));

    return (rc == -1) ? MAP_FAILED : (void *) rc;
}


void *
mmap64(void *p, size_t n, int prot, int flags, int fd, off64_t offset)
{
    return mmap(p, n, prot, flags, fd, offset);
}


int
open(const char *path, int flags, ...)
{
    int           rc;
    mode_t        mode;
    va_list       args;
    fault_call_t  call = { FAULT_OPEN, -1, path, 0 };

    va_start(args, flags);
    mode = (flags & (O_CREAT|O_TMPFILE)) ? va_arg(args, mode_t) : 0;
    va_end(args);

    fault_around(call, rc, (int) syscall(SYS_openat, AT_FDCWD, path, flags,
                                         mode));

    return rc;
}


int
open64(const char *path, int flags, ...)
{
    mode_t   mode;
    va_list  args;

    va_start(args, flags);
    mode = (flags & (O_CREAT|O_TMPFILE)) ? va_arg(args, mode_t) : 0;
    va_end(args);

    return open(path, flags, mode);
}


/* ----------------------------------------------------------------- clock -- */

int
clock_gettime(clockid_t clock, struct timespec *ts)
{
    int  rc;

    rc = (int) syscall(SYS_clock_gettime, clock, ts);

    if (fault_shift != NULL
        && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
    {
        ts->tv_sec += *fault_shift;
    }

    return rc;
}


int
gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    struct timespec  ts;

    (void) zone;

    (void) clock_gettime(CLOCK_REALTIME, &ts);
    tv->tv_sec = ts.tv_sec;
    tv->tv_usec = ts.tv_nsec / 1000;

    return 0;
}


time_t
time(time_t *out)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_REALTIME, &ts);

    if (out != NULL) {
        *out = ts.tv_sec;
    }

    return ts.tv_sec;
}


/* ---------------------------------------------------------------- memory -- */

#ifndef __SANITIZE_ADDRESS__

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
extern void *__libc_memalign(size_t align, size_t n);


static int
fault_memory(void)
{
    fault_t       fault;
    fault_call_t  call = { FAULT_MALLOC, -1, "", 0 };

    if (fault_rules == NULL || !fault_look(call, &fault)) {
        return 0;
    }

    errno = ENOMEM;
    fault_done(&fault);

    return fault.error != 0;
}


void *
malloc(size_t n)
{
    return fault_memory() ? NULL : __libc_malloc(n);
}


void *
calloc(size_t n, size_t size)
{
    return fault_memory() ? NULL : __libc_calloc(n, size);
}


void *
realloc(void *p, size_t n)
{
    return fault_memory() ? NULL : __libc_realloc(p, n);
}


int
posix_memalign(void **p, size_t align, size_t n)
{
    void  *q;

    q = fault_memory() ? NULL : __libc_memalign(align, n);

    if (q == NULL) {
        return ENOMEM;
    }

    *p = q;

    return 0;
}

#endif
