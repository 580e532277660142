/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * paced PORT CONNECTIONS RATE SECONDS STATUS FILE
 *
 * RATE requests per second to 127.0.0.1, each due at its time whether those
 * before it are answered or not: times are from when a request was due, also
 * when it had to wait for a connection.  Each line of FILE is a request, with
 * \r and \n as such, and with @@@@@@@@@@ for ten digits that are others each
 * time; lines are taken in turn.  STATUS is what is expected; an answer has to
 * have a Content-Length.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>


#define MAX_CONNECTIONS  256
#define MAX_REQUEST      8192
#define MAX_ANSWER       65536
#define GRACE            10         /* seconds for the last answers */


typedef struct {
    char       *text;
    size_t      len;
} request_t;

typedef struct {
    double      due;                /* 0: idle */
    size_t      got;
    char        answer[MAX_ANSWER];
} connection_t;

typedef struct {
    request_t      *requests;
    size_t          nrequests;
    unsigned long   base;           /* of the ten digits */
    char            status[4];
    double          start;
    double          rate;
    size_t          all;            /* requests to be sent */
    size_t          sent;
    size_t          done;
    size_t          other;          /* answered otherwise */
    size_t          late;           /* waited for a connection */
    double         *ms;
    unsigned        n;
    struct pollfd   fds[MAX_CONNECTIONS];
    connection_t    connections[MAX_CONNECTIONS];
    char            sample[120];
} paced_t;


__attribute__((noreturn))
static void
die(const char *what, const char *why)
{
    (void) fprintf(stderr, "paced: %s: %s\n", what, why);
    exit(2);
}


static double
now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}


/* -------------------------------------------------------------- requests */

static void
unescape(request_t *request, char *line)
{
    char  *p, *out;

    out = line;

    for (p = line; *p != '\0' && *p != '\n'; p++) {

        if (p[0] == '\\' && (p[1] == 'r' || p[1] == 'n')) {
            *out++ = (*++p == 'r') ? '\r' : '\n';

        } else {
            *out++ = *p;
        }
    }

    *out = '\0';
    request->text = strdup(line);
    request->len = (size_t) (out - line);
}


static void
read_requests(paced_t *p, const char *name)
{
    FILE  *f;
    char   line[MAX_REQUEST];

    f = fopen(name, "r");

    if (f == NULL) {
        die(name, strerror(errno));
    }

    while (fgets(line, sizeof(line), f) != NULL) {
        p->requests = realloc(p->requests, (p->nrequests + 1)
                                           * sizeof(request_t));
        if (p->requests == NULL) {
            die(name, "no memory");
        }

        unescape(&p->requests[p->nrequests++], line);
    }

    (void) fclose(f);

    if (p->nrequests == 0) {
        die(name, "no requests");
    }
}


/* ----------------------------------------------------------- connections */

static void
connect_to(paced_t *p, unsigned i, const char *port)
{
    int                 fd, on;
    struct sockaddr_in  sin;

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons((uint16_t) atoi(port));
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    on = 1;
    fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd == -1
        || connect(fd, (struct sockaddr *) &sin, sizeof(sin)) == -1
        || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == -1)
    {
        die("connect", strerror(errno));
    }

    p->fds[i].fd = fd;
    p->fds[i].events = POLLIN;
}


static void
send_request(paced_t *p, unsigned i, double due)
{
    char       *at, digits[11], text[MAX_REQUEST];
    request_t  *request;

    request = &p->requests[p->sent % p->nrequests];
    memcpy(text, request->text, request->len + 1);

    (void) snprintf(digits, sizeof(digits), "%010lu",
                    (p->base + p->sent) % 10000000000ul);

    for (at = text; (at = strstr(at, "@@@@@@@@@@")) != NULL; at += 10) {
        memcpy(at, digits, 10);
    }

    if (write(p->fds[i].fd, text, request->len) != (ssize_t) request->len) {
        die("write", strerror(errno));
    }

    p->connections[i].due = due;
    p->connections[i].got = 0;
    p->sent++;
}


/* 1 when the answer is there as a whole. */

static int
is_whole(connection_t *c)
{
    char  *end, *length;

    c->answer[c->got] = '\0';
    end = strstr(c->answer, "\r\n\r\n");

    if (end == NULL) {
        return 0;
    }

    length = strcasestr(c->answer, "\r\ncontent-length:");

    if (length == NULL || length > end) {
        die("an answer without Content-Length", c->answer);
    }

    return c->got >= (size_t) (end + 4 - c->answer)
                     + strtoul(length + 17, NULL, 10);
}


static void
receive(paced_t *p, unsigned i)
{
    ssize_t        n;
    connection_t  *c;

    c = &p->connections[i];
    n = read(p->fds[i].fd, c->answer + c->got, MAX_ANSWER - 1 - c->got);

    if (n <= 0) {
        die("read", n == 0 ? "the connection was closed" : strerror(errno));
    }

    c->got += (size_t) n;

    if (c->due == 0 || !is_whole(c)) {
        return;
    }

    p->ms[p->done++] = (now() - c->due) * 1000;
    c->due = 0;

    if (strncmp(c->answer + 9, p->status, 3) != 0) {
        p->other++;
        (void) snprintf(p->sample, sizeof(p->sample), "%.*s",
                        (int) strcspn(c->answer, "\r"), c->answer);
    }
}


/* ------------------------------------------------------------------ pace */

static double
due(const paced_t *p)
{
    return p->start + (double) p->sent / p->rate;
}


/* Sends what is due as far as there are connections; 0: there are none. */

static int
send_due(paced_t *p)
{
    unsigned       i;
    double         time;
    static unsigned  next;

    for (i = 0; i < p->n && p->sent < p->all; i++) {
        time = now();

        if (due(p) > time) {
            return 1;
        }

        if (p->connections[next].due == 0) {
            p->late += (time - due(p) > 0.002);
            send_request(p, next, due(p));
        }

        next = (next + 1) % p->n;
    }

    for (i = 0; i < p->n; i++) {
        if (p->connections[i].due == 0) {
            return 1;
        }
    }

    return 0;
}


static void
pace(paced_t *p)
{
    int              ready;
    double           wait;
    unsigned         i;
    struct timespec  ts;

    while (p->done < p->all) {

        wait = (send_due(p) && p->sent < p->all) ? due(p) - now() : GRACE;
        wait = (wait > 0) ? wait : 0;
        ts.tv_sec = (time_t) wait;
        ts.tv_nsec = (long) ((wait - (double) ts.tv_sec) * 1e9);

        ready = ppoll(p->fds, p->n, &ts, NULL);

        if (ready == 0 && wait == GRACE) {
            die("no answer", "for ten seconds");
        }

        for (i = 0; i < p->n && ready > 0; i++) {
            if (p->fds[i].revents != 0) {
                receive(p, i);
            }
        }
    }
}


static int
ascending(const void *a, const void *b)
{
    double  x = *(const double *) a, y = *(const double *) b;

    return (x > y) - (x < y);
}


int
main(int argc, char **argv)
{
    double          seconds;
    unsigned        i;
    static paced_t  p;

    if (argc != 7) {
        die("usage", "PORT CONNECTIONS RATE SECONDS STATUS FILE");
    }

    p.n = (unsigned) atoi(argv[2]);
    p.rate = atof(argv[3]);
    p.all = (size_t) (p.rate * atof(argv[4]));
    p.ms = calloc(p.all + 1, sizeof(double));
    p.base = (unsigned long) (time(NULL) % 100000) * 100000;

    if (p.n == 0 || p.n > MAX_CONNECTIONS || p.all == 0 || p.ms == NULL) {
        die("usage", "1 to 256 connections, and something to do");
    }

    (void) snprintf(p.status, sizeof(p.status), "%s", argv[5]);
    read_requests(&p, argv[6]);

    for (i = 0; i < p.n; i++) {
        connect_to(&p, i, argv[1]);
    }

    p.start = now();
    pace(&p);
    seconds = now() - p.start;

    qsort(p.ms, p.all, sizeof(double), ascending);

    printf("answered=%zu other=%zu rate=%.0f p50=%.3f p99=%.3f p999=%.3f "
           "max=%.3f late=%zu\n", p.done, p.other, (double) p.done / seconds,
           p.ms[p.all / 2], p.ms[p.all * 99 / 100], p.ms[p.all * 999 / 1000],
           p.ms[p.all - 1], p.late);

    if (p.other != 0) {
        printf("other: %s\n", p.sample);
    }

    return 0;
}
