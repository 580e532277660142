/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Where a tree has more than one page, keys of its rows stand in its inner
 * pages too, and LMDB leaves them there when the row is deleted: it needs
 * something that parts the pages, and any key does.  An id would stay so, in
 * pages that are in use.  LMDB shows nobody its inner pages, so they are read
 * from the file, as a snapshot has them: the format is that of LMDB 0.9,
 * which store_internal.h asks for.  Such a key goes when the page behind it
 * becomes empty: its rows are deleted and put back.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "store_erase.h"


#define STORE_SCRUB_TRIES  100000
#define STORE_SCRUB_LEVELS 32
#define STORE_PAGE_HEAD    16
#define STORE_PAGE_BRANCH  0x01
#define STORE_NODE_HEAD    8
#define STORE_TREE_MAIN    1            /* the database of databases */

typedef struct {                        /* of LMDB, on disk */
    uint32_t                pad;
    uint16_t                flags;
    uint16_t                depth;
    uint64_t                pages[3];
    uint64_t                entries;
    uint64_t                root;
} store_tree_t;

typedef struct {
    size_t                  len;
    unsigned char           data[STORE_KEY_MAX];
} store_bound_t;

typedef struct {
    store_txn_t            *t;
    unsigned                db;
    size_t                  page;       /* its size */
    mdb_filehandle_t        fd;
    uint32_t                program;
    referral_str_t          person;
    unsigned                found;
    store_bound_t           low;        /* what was found */
    store_bound_t           high;       /* the next one; len 0: none */
} store_scrub_t;

typedef struct {
    unsigned char          *data;       /* rows: len2 size4 key value */
    size_t                  used;
    size_t                  max;
    store_txn_t            *t;
    const store_bound_t    *high;
} store_lifted_t;

static const struct {
    unsigned                db;
    const char             *name;
    size_t                  before;     /* bytes of a key before the id */
    unsigned                more;       /* and there are some behind it */
} store_scrubbed[] = {
    { STORE_OWN, "own", 4, 1 },
    { STORE_CUS, "cus", 6, 0 },
    { STORE_CNT, "cnt", 10, 0 }
};


static int
store_scrub_matches(const store_scrub_t *s, const unsigned char *key,
    size_t len)
{
    size_t         before, want;
    unsigned char  program[4];

    before = store_scrubbed[s->db].before;
    want = before + s->person.len;
    store_be32(program, s->program);

    return len >= want
           && memcmp(key, program, sizeof(program)) == 0
           && memcmp(key + before, s->person.data, s->person.len) == 0
           && (store_scrubbed[s->db].more ? len > want && key[want] == '\0'
                                          : len == want);
}


static void
store_scrub_bound(store_bound_t *bound, const unsigned char *key, size_t len)
{
    bound->len = (len < sizeof(bound->data)) ? len : sizeof(bound->data);
    memcpy(bound->data, key, bound->len);
}


/* A node of an inner page: its key, and the page below it. */

static const unsigned char *
store_scrub_node(const store_scrub_t *s, const unsigned char *page, unsigned i,
    size_t *len, uint64_t *below)
{
    uint16_t  at, node[4];

    memcpy(&at, page + STORE_PAGE_HEAD + 2 * i, sizeof(at));

    if (at > s->page - STORE_NODE_HEAD) {
        return NULL;
    }

    memcpy(node, page + at, sizeof(node));

    *len = node[3];
    *below = node[0] | (uint64_t) node[1] << 16 | (uint64_t) node[2] << 32;

    return (at + STORE_NODE_HEAD + *len <= s->page)
           ? page + at + STORE_NODE_HEAD : NULL;
}


static void store_scrub_below(store_scrub_t *s, uint64_t pgno,
    unsigned levels, const store_bound_t *high);


/* The keys of an inner page; what comes behind the last one is high. */

static void
store_scrub_page(store_scrub_t *s, const unsigned char *page,
    unsigned levels, const store_bound_t *high)
{
    size_t                len, next_len;
    uint16_t              lower, flags;
    uint64_t              below, ignored;
    unsigned              i, n;
    store_bound_t         next;
    const unsigned char  *key, *next_key;

    memcpy(&flags, page + 10, sizeof(flags));
    memcpy(&lower, page + 12, sizeof(lower));

    if (!(flags & STORE_PAGE_BRANCH) || lower < STORE_PAGE_HEAD
        || lower > s->page)
    {
        (void) store_corrupt(s->t, "a page");
        return;
    }

    n = (lower - STORE_PAGE_HEAD) / 2u;

    for (i = 0; i < n && !s->found && s->t->rc == 0; i++) {
        key = store_scrub_node(s, page, i, &len, &below);
        next = *high;

        if (key != NULL && i + 1 < n) {
            next_key = store_scrub_node(s, page, i + 1, &next_len, &ignored);

            if (next_key == NULL) {
                key = NULL;

            } else {
                store_scrub_bound(&next, next_key, next_len);
            }
        }

        if (key == NULL) {
            (void) store_corrupt(s->t, "a page");
            return;
        }

        if (store_scrub_matches(s, key, len)) {
            store_scrub_bound(&s->low, key, len);
            s->high = next;
            s->found = 1;
            return;
        }

        store_scrub_below(s, below, levels, &next);
    }
}


static void
store_scrub_below(store_scrub_t *s, uint64_t pgno, unsigned levels,
    const store_bound_t *high)
{
    unsigned char  *page;

    /* the last level is that of the rows */

    if (levels < 2) {
        return;
    }

    page = malloc(s->page);

    if (page == NULL) {
        store_fail(s->t, ENOMEM, "malloc()");
        return;
    }

    if (pread(s->fd, page, s->page, (off_t) (pgno * s->page))
        == (ssize_t) s->page)
    {
        store_scrub_page(s, page, levels - 1, high);

    } else {
        store_fail(s->t, errno ? errno : EIO, "pread()");
    }

    free(page);
}


/* Looks for such a key in one tree. */

static void
store_scrub_find(store_scrub_t *s)
{
    int            rc;
    MDB_val        k, v;
    MDB_stat       stat;
    store_tree_t   tree;
    store_bound_t  none;

    s->found = 0;
    k.mv_data = (void *) store_scrubbed[s->db].name;
    k.mv_size = strlen(store_scrubbed[s->db].name);

    rc = mdb_get(s->t->txn, STORE_TREE_MAIN, &k, &v);

    if (rc == 0 && v.mv_size != sizeof(tree)) {
        rc = MDB_CORRUPTED;
    }

    if (rc == 0) {
        rc = mdb_env_stat(s->t->store->env, &stat);
    }

    if (rc == 0) {
        rc = mdb_env_get_fd(s->t->store->env, &s->fd);
    }

    if (rc != 0) {
        store_fail(s->t, rc, "reading a tree");
        return;
    }

    memcpy(&tree, v.mv_data, sizeof(tree));
    s->page = stat.ms_psize;
    none.len = 0;

    if (tree.depth > STORE_SCRUB_LEVELS) {
        (void) store_corrupt(s->t, "a tree");
        return;
    }

    store_scrub_below(s, tree.root, tree.depth, &none);
}


/* ---------------------------------------------------------- putting back -- */

static int
store_lift(void *data, const MDB_val *k, const MDB_val *v)
{
    size_t           need;
    uint16_t         len;
    uint32_t         size;
    unsigned char   *p;
    store_lifted_t  *l;

    l = data;

    if (l->high->len != 0) {
        len = (uint16_t) ((k->mv_size < l->high->len) ? k->mv_size
                                                      : l->high->len);

        if (memcmp(k->mv_data, l->high->data, len) >= 0) {
            return 1;
        }
    }

    len = (uint16_t) k->mv_size;
    size = (uint32_t) v->mv_size;
    need = l->used + sizeof(len) + sizeof(size) + len + size;

    if (need > l->max) {
        p = realloc(l->data, need * 2);

        if (p == NULL) {
            store_fail(l->t, ENOMEM, "malloc()");
            return 1;
        }

        l->data = p;
        l->max = need * 2;
    }

    p = l->data + l->used;
    memcpy(p, &len, sizeof(len));
    memcpy(p + sizeof(len), &size, sizeof(size));
    memcpy(p + sizeof(len) + sizeof(size), k->mv_data, len);

    if (size != 0) {
        memcpy(p + sizeof(len) + sizeof(size) + len, v->mv_data, size);
    }

    l->used = need;

    return 0;
}


static void
store_unlift(store_lifted_t *l, unsigned db, unsigned back)
{
    uint16_t        len;
    uint32_t        size;
    unsigned char  *p;

    for (p = l->data; p < l->data + l->used; p += len + size) {
        memcpy(&len, p, sizeof(len));
        memcpy(&size, p + sizeof(len), sizeof(size));
        p += sizeof(len) + sizeof(size);

        if (back) {
            store_put(l->t, db, p, len, p + len, size);

        } else {
            store_delete(l->t, db, p, len);
        }
    }
}


static referral_rc_t
store_scrub_replace(referral_store_t *store, const store_scrub_t *s,
    referral_error_t *err)
{
    unsigned        db;
    store_txn_t     t;
    store_lifted_t  l;

    memset(&l, 0, sizeof(l));
    l.t = &t;
    l.high = &s->high;
    db = store_scrubbed[s->db].db;

    if (store_begin(&t, store, 0) == 0) {
        store_walk(&t, db, s->low.data, s->low.len, 0, store_lift, &l);
        store_unlift(&l, db, 0);
        store_unlift(&l, db, 1);
        (void) store_commit(&t);
    }

    free(l.data);

    return store_failed(&t, err);
}


referral_rc_t
store_scrub(referral_store_t *store, uint32_t program, referral_str_t person,
    referral_error_t *err)
{
    unsigned       i;
    store_txn_t    t;
    referral_rc_t  rc;
    store_scrub_t  s;

    memset(&s, 0, sizeof(s));
    s.t = &t;
    s.program = program;
    s.person = person;

    for (i = 0; i < STORE_SCRUB_TRIES; i++) {

        if (store_begin(&t, store, MDB_RDONLY) == 0) {
            store_scrub_find(&s);
            store_abort(&t);
        }

        rc = store_failed(&t, err);

        if (rc == REFERRAL_OK && s.found) {
            rc = store_scrub_replace(store, &s, err);

        } else if (rc == REFERRAL_OK && ++s.db
                   == sizeof(store_scrubbed) / sizeof(store_scrubbed[0]))
        {
            return store_sync(store, err);
        }

        if (rc != REFERRAL_OK) {
            return rc;
        }
    }

    store_error(err, REFERRAL_BUSY, 0, "the trees of \"%s\" change all the "
                "time", store->path);

    return REFERRAL_BUSY;
}
