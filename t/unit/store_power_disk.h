/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The disk of store_power: what a trace leaves on it when the power fails.
 *
 * Sure is what was flushed.  Of the rest any part may be there: whole writes
 * or some of their sectors, later ones without earlier ones, a file longer
 * than what was written to it.  Files are made, renamed and removed in order,
 * as a journal of metadata does it.
 */

#ifndef STORE_POWER_DISK_H
#define STORE_POWER_DISK_H

#include "store_power_trace.h"


#define POWER_PENDING  65536

typedef struct {
    char                  name[64];         /* empty: there is none */
    unsigned char        *data;
    uint64_t              size;
    uint64_t              room;
} power_file_t;

typedef struct {
    power_trace_t        *trace;
    size_t                at;               /* entries before are done */
    power_file_t          files[POWER_FILES];
    unsigned              n;
    size_t                pending[POWER_PENDING];
} power_disk_t;

typedef struct {
    power_file_t          files[POWER_FILES];
    unsigned              lock;             /* what is left of lock.mdb */
} power_image_t;


static void
power_resize(power_file_t *file, uint64_t size)
{
    if (size > file->room) {
        file->data = realloc(file->data, size * 2);
        file->room = size * 2;
    }

    if (size > file->size) {
        memset(file->data + file->size, 0, size - file->size);
    }

    file->size = size;
}


static void
power_file_write(power_file_t *file, uint64_t offset, const void *data,
    size_t len)
{
    if (offset + len > file->size) {
        power_resize(file, offset + len);
    }

    memcpy(file->data + offset, data, len);
}


/* What one entry does to its file. */

static void
power_do(power_file_t *files, const power_entry_t *entry)
{
    uint64_t       end;
    power_file_t  *file;

    file = &files[entry->file];
    end = entry->at + entry->value;

    switch (entry->type) {

    case POWER_WRITE:
        power_file_write(file, entry->at, entry + 1, entry->len);
        break;

    case POWER_SIZE:
        power_resize(file, entry->at);
        break;

    case POWER_ALLOCATE:
        power_resize(file, end > file->size ? end : file->size);
        break;

    case POWER_PUNCH:
        end = (end < file->size) ? end : file->size;

        if (entry->at < end) {
            memset(file->data + entry->at, 0, end - entry->at);
        }

        break;

    case POWER_CREATE:
    case POWER_RENAME:
        snprintf(file->name, sizeof(file->name), "%s", (char *) (entry + 1));
        break;

    default:
        file->name[0] = '\0';
    }
}


static int
power_is_name(const power_entry_t *entry)
{
    return entry->type == POWER_CREATE || entry->type == POWER_RENAME
           || entry->type == POWER_UNLINK;
}


/* A name is taken from whoever had it. */

static void
power_do_name(power_file_t *files, const power_entry_t *entry)
{
    unsigned  i;

    for (i = 0; i < POWER_FILES && entry->type != POWER_UNLINK; i++) {
        if (strcmp(files[i].name, (const char *) (entry + 1)) == 0) {
            files[i].name[0] = '\0';
        }
    }

    power_do(files, entry);
}


/*
 * A flush of a file makes sure what was written to it before, and, when that
 * made it longer or it is new, the names of all files until then.
 */

static int
power_grows(const power_disk_t *disk, unsigned file, size_t before)
{
    unsigned              i;
    const power_entry_t  *entry;

    for (i = 0; i < disk->n; i++) {
        entry = power_entry(disk->trace, disk->pending[i]);

        if (disk->pending[i] < before && entry->file == file
            && (entry->type != POWER_WRITE
                || entry->at + entry->len > disk->files[file].size))
        {
            return 1;
        }
    }

    return 0;
}


static void
power_flushed(power_disk_t *disk, unsigned file, size_t before)
{
    int                   names;
    unsigned              i, n;
    const power_entry_t  *entry;

    names = power_grows(disk, file, before);

    for (i = 0, n = 0; i < disk->n; i++) {
        entry = power_entry(disk->trace, disk->pending[i]);

        if (disk->pending[i] >= before) {
            disk->pending[n++] = disk->pending[i];

        } else if (power_is_name(entry)) {

            if (names) {
                power_do_name(disk->files, entry);

            } else {
                disk->pending[n++] = disk->pending[i];
            }

        } else if (entry->file == file) {
            power_do(disk->files, entry);

        } else {
            disk->pending[n++] = disk->pending[i];
        }
    }

    disk->n = n;
}


/* One write is on disk, and what it replaced is not to come any more. */

static void
power_synced(power_disk_t *disk, size_t at)
{
    unsigned              i, n;
    const power_entry_t  *write, *entry;

    write = power_entry(disk->trace, at);

    for (i = 0, n = 0; i < disk->n; i++) {
        entry = power_entry(disk->trace, disk->pending[i]);

        if (disk->pending[i] > at || entry->type != POWER_WRITE
            || entry->file != write->file || entry->at < write->at
            || entry->at + entry->len > write->at + write->len)
        {
            disk->pending[n++] = disk->pending[i];
        }
    }

    disk->n = n;
    power_do(disk->files, write);
}


/* Until that place in the trace. */

static void
power_disk_run(power_disk_t *disk, size_t until)
{
    const power_entry_t  *entry;

    while (disk->at < until) {
        entry = power_entry(disk->trace, disk->at);

        if (entry->type == POWER_FLUSHED) {
            power_flushed(disk, entry->file, entry->at);

        } else if (entry->type == POWER_SYNCED) {
            power_synced(disk, entry->at);

        } else if (entry->type < POWER_FLUSH) {

            if (disk->n == POWER_PENDING) {
                fprintf(stderr, "store_power: nothing is ever flushed\n");
                _exit(98);
            }

            disk->pending[disk->n++] = disk->at;
        }

        disk->at = power_next(disk->trace, disk->at);
    }
}


static void
power_files_free(power_file_t *files)
{
    unsigned  i;

    for (i = 0; i < POWER_FILES; i++) {
        free(files[i].data);
    }

    memset(files, 0, POWER_FILES * sizeof(power_file_t));
}


static void
power_files_copy(power_file_t *to, const power_file_t *from)
{
    unsigned  i;

    for (i = 0; i < POWER_FILES; i++) {
        memcpy(to[i].name, from[i].name, sizeof(to[i].name));
        to[i].size = (to[i].size < from[i].size) ? to[i].size : from[i].size;
        power_resize(&to[i], from[i].size);
        memcpy(to[i].data, from[i].data, from[i].size);
    }
}


/* A disk with what an image has, for a trace that begins there. */

static void
power_disk_begin(power_disk_t *disk, power_trace_t *trace,
    const power_image_t *image)
{
    power_files_free(disk->files);
    disk->trace = trace;
    disk->at = 0;
    disk->n = 0;

    if (image != NULL) {
        power_files_copy(disk->files, image->files);
    }
}


#endif /* STORE_POWER_DISK_H */
