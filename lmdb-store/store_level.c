/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * How full the map is.  A full one cannot even be deleted from, since every
 * change is a copy first: so what matters less is refused before, and the
 * last of it is kept for what makes room.
 */

#include "store_internal.h"


#define STORE_LEVEL_WARN     75     /* percent of the map in use */
#define STORE_LEVEL_CLICKS   90
#define STORE_LEVEL_CODES    97

/* Pages kept for the purge and for what it has to wait for. */

#define STORE_RESERVE_PART   64     /* of the map */
#define STORE_RESERVE_MIN    128
#define STORE_RESERVE_MAX    8      /* part of a very small map */

#define STORE_MEASURE_PACE   100    /* times what the last one took */


static const char  *store_level_names[] = {
    "ok", "warning", "clicks_refused", "codes_refused", "full"
};

_Static_assert(sizeof(store_level_names) / sizeof(char *)
               == REFERRAL_LEVEL_FULL + 1, "a level without a name");


const char *
referral_level_name(unsigned level)
{
    return (level <= REFERRAL_LEVEL_FULL) ? store_level_names[level] : "";
}


referral_level_t
referral_store_level(referral_store_t *store)
{
    return atomic_load_explicit(&store->level, memory_order_relaxed);
}


unsigned
store_level_percent(uint64_t used, uint64_t pages)
{
    return (used < pages) ? (unsigned) (used * 100 / pages) : 100;
}


static uint64_t
store_reserve(uint64_t pages)
{
    uint64_t  reserve;

    reserve = pages / STORE_RESERVE_PART;

    if (reserve < STORE_RESERVE_MIN) {
        reserve = STORE_RESERVE_MIN;
    }

    return (reserve < pages / STORE_RESERVE_MAX) ? reserve
                                                 : pages / STORE_RESERVE_MAX;
}


referral_level_t
store_level_of(uint64_t used, uint64_t pages)
{
    unsigned  percent;

    if (used + store_reserve(pages) >= pages) {
        return REFERRAL_LEVEL_FULL;
    }

    percent = store_level_percent(used, pages);

    return (percent >= STORE_LEVEL_CODES) ? REFERRAL_LEVEL_CODES
           : (percent >= STORE_LEVEL_CLICKS) ? REFERRAL_LEVEL_CLICKS
           : (percent >= STORE_LEVEL_WARN) ? REFERRAL_LEVEL_WARN
           : REFERRAL_LEVEL_OK;
}


uint64_t
store_map_wanted(store_txn_t *t)
{
    MDB_val   v;
    uint64_t  size;

    if (!store_get(t, STORE_META, "M", 1, &v) || v.mv_size != sizeof(size)) {
        return 0;
    }

    memcpy(&size, v.mv_data, sizeof(size));

    return size;
}


static void
store_level_set(referral_store_t *store, uint64_t used, uint64_t pages)
{
    uint64_t  taken;

    store->used = used;
    store->pages = pages;
    taken = used + store_reserve(pages);

    atomic_store_explicit(&store->room,
                          (taken < pages) ? (pages - taken) * store->page : 0,
                          memory_order_relaxed);
    atomic_store_explicit(&store->level, store_level_of(used, pages),
                          memory_order_relaxed);
}


/* The size a map has to have, for what is configured and what is there. */

static uint64_t
store_map_target(referral_store_t *store, const MDB_envinfo *info,
    uint64_t wanted)
{
    uint64_t  least;

    least = (uint64_t) (info->me_last_pgno + 1) * store->page;

    return (wanted == 0) ? info->me_mapsize : (wanted > least) ? wanted
                                                               : least;
}


static void
store_measure_once(referral_store_t *store, MDB_envinfo *info,
    uint64_t *wanted)
{
    uint64_t     free_pages, pages;
    store_txn_t  t;

    if (store_begin(&t, store, MDB_RDONLY) != 0) {
        return;
    }

    (void) mdb_env_info(store->env, info);

    free_pages = store_free_pages(&t);
    *wanted = store_map_wanted(&t);

    store_abort(&t);

    pages = info->me_last_pgno + 1;
    atomic_store_explicit(&store->free_pages, free_pages,
                          memory_order_relaxed);
    store_level_set(store, pages - (free_pages < pages ? free_pages : pages),
                    info->me_mapsize / store->page);
}


/* Of this thread: on a busy machine the clock tells of others' work, too. */

static uint64_t
store_cpu_us(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}


void
store_measure(referral_store_t *store)
{
    uint64_t     start, wanted, target;
    MDB_envinfo  info;

    start = store_cpu_us();
    wanted = 0;
    memset(&info, 0, sizeof(info));

    store_measure_once(store, &info, &wanted);
    target = store_map_target(store, &info, wanted);

    /* nginx was given another map_size since this process began */

    if (info.me_mapsize != 0 && target != info.me_mapsize
        && store_remap(store, target) == 0)
    {
        store_measure_once(store, &info, &wanted);
    }

    store->measured = store_now_us();
    store->measure_pause = (store_cpu_us() - start) * STORE_MEASURE_PACE;
}


void
store_measure_soon(referral_store_t *store)
{
    if (store_now_us() - store->measured >= store->measure_pause) {
        store_measure(store);
    }
}


void
store_measure_cheap(referral_store_t *store)
{
    uint64_t     used, pages;
    MDB_envinfo  info;

    if (store_gate_enter(store) != 0) {
        return;
    }

    (void) mdb_env_info(store->env, &info);

    store_gate_leave(store);

    /* the file has that many pages: with free ones among them it is less */

    used = info.me_last_pgno + 1;
    pages = info.me_mapsize / store->page;

    if (store_level_of(used, pages) == REFERRAL_LEVEL_OK) {
        store_level_set(store, used, pages);
        return;
    }

    store_measure_soon(store);
}


int
store_level_refuses(referral_store_t *store, unsigned type, uint64_t waiting)
{
    uint64_t          room;
    referral_level_t  level;

    level = referral_store_level(store);

    if (type == REFERRAL_RECORD_CLICK) {
        room = atomic_load_explicit(&store->room, memory_order_relaxed);
        return level >= REFERRAL_LEVEL_CLICKS
               || waiting > room / STORE_ROOM_PART;
    }

    return level >= ((type == REFERRAL_RECORD_CODE) ? REFERRAL_LEVEL_CODES
                                                    : REFERRAL_LEVEL_FULL);
}


void
referral_store_growth(referral_store_t *store, referral_error_t *err)
{
    static const char *const  then[] = {
        "", "", ", clicks are not counted any more",
        ", clicks and codes are not taken any more",
        ", nothing is taken any more"
    };

    store_error(err, REFERRAL_OK, 0, "%u%% of the %llu MiB that \"%s\" may "
                "grow to is used%s: set a larger map_size, or keep clicks "
                "for less time",
                store_level_percent(store->used, store->pages),
                (unsigned long long) (store->pages * store->page >> 20),
                store->path, then[referral_store_level(store)]);
}


/* For others to take over, who began before. */

static void
store_map_want(referral_store_t *store, uint64_t size)
{
    uint64_t     wanted;
    store_txn_t  t;

    wanted = size;

    if (store_begin(&t, store, MDB_RDONLY) == 0) {
        wanted = store_map_wanted(&t);
        store_abort(&t);
    }

    /* a full map takes not even this: then others keep the size they have */

    if (wanted != size && store_begin(&t, store, 0) == 0) {
        store_put(&t, STORE_META, "M", 1, &size, sizeof(size));
        (void) store_commit(&t);
    }
}


void
store_level_open(referral_store_t *store, uint64_t size)
{
    MDB_stat  stat;

    (void) mdb_env_stat(store->env, &stat);

    store->page = stat.ms_psize;

    if (size != 0 && !store->alone) {
        store_map_want(store, size);
    }

    if (!store->readonly) {
        store_measure(store);
    }
}


/* Pages on the free list: the records of LMDB's own database 0. */

uint64_t
store_free_pages(store_txn_t *t)
{
    size_t       n;
    MDB_val      k, v;
    uint64_t     pages;
    MDB_cursor  *cursor;

    pages = 0;

    if (mdb_cursor_open(t->txn, 0, &cursor) != 0) {
        return 0;
    }

    while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0) {
        memcpy(&n, v.mv_data, sizeof(n));
        pages += n;
    }

    mdb_cursor_close(cursor);

    return pages;
}
