/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What a power cut leaves of the disk of store_power.
 */

#ifndef STORE_POWER_IMAGE_H
#define STORE_POWER_IMAGE_H

#include "store_power_disk.h"


/* What is left of the writes that were not flushed. */

typedef enum {
    POWER_NONE = 0,
    POWER_ALL,
    POWER_FIRST,                /* those before a moment */
    POWER_BUT_ONE,
    POWER_ONLY_ONE,
    POWER_HEADS,                /* of data.mdb its first pages only */
    POWER_BODIES,               /* all but those */
    POWER_WHOLE,                /* each whole or not */
    POWER_PAGES,                /* each 4 kB or not */
    POWER_SECTORS,              /* each 512 bytes or not */
    POWER_MODES
} power_mode_t;

typedef struct {
    power_mode_t          mode;
    unsigned              one;
    unsigned              part;             /* of 8 */
    uint64_t              rng;
} power_cut_t;


static void
power_do_pieces(power_file_t *files, const power_entry_t *entry,
    power_cut_t *cut, size_t piece)
{
    size_t                len, offset;
    const unsigned char  *data;

    data = (const unsigned char *) (entry + 1);

    for (offset = 0; offset < entry->len; offset += len) {
        len = piece - (entry->at + offset) % piece;

        if (len > entry->len - offset) {
            len = entry->len - offset;
        }

        if (test_random(&cut->rng) % 8 < cut->part) {
            power_file_write(&files[entry->file], entry->at + offset,
                             data + offset, len);
        }
    }
}


static int
power_survives(const power_entry_t *entry, unsigned i, power_cut_t *cut)
{
    switch (cut->mode) {

    case POWER_NONE:
        return 0;

    case POWER_ALL:
        return 1;

    case POWER_FIRST:
        return i < cut->one;

    case POWER_BUT_ONE:
        return i != cut->one;

    case POWER_ONLY_ONE:
        return i == cut->one;

    case POWER_HEADS:
        return entry->at < 8192;

    case POWER_BODIES:
        return entry->at >= 8192;

    default:
        return test_random(&cut->rng) % 8 < cut->part;
    }
}


static void
power_cut_entry(power_file_t *files, const power_entry_t *entry, unsigned i,
    power_cut_t *cut)
{
    uint64_t  end;

    if (entry->type == POWER_WRITE && cut->mode >= POWER_PAGES) {
        power_do_pieces(files, entry, cut,
                        cut->mode == POWER_PAGES ? 4096 : 512);

    } else if (power_survives(entry, i, cut)) {
        power_do(files, entry);
    }

    /* the length alone, without what makes it */

    end = entry->at + entry->len;

    if (entry->type == POWER_WRITE && end > files[entry->file].size
        && test_random(&cut->rng) % 16 == 0)
    {
        power_resize(&files[entry->file], end);
    }
}


static void
power_cut_image(const power_disk_t *disk, power_image_t *image, uint64_t seed)
{
    unsigned              i, names;
    power_cut_t           cut;
    const power_entry_t  *entry;

    cut.rng = seed;
    cut.mode = test_random(&cut.rng) % POWER_MODES;
    cut.one = disk->n ? (unsigned) (test_random(&cut.rng) % disk->n) : 0;
    cut.part = 1 + (unsigned) (test_random(&cut.rng) % 7);
    image->lock = (unsigned) (test_random(&cut.rng) % 3);
    names = 1;

    power_files_copy(image->files, disk->files);

    for (i = 0; i < disk->n; i++) {
        entry = power_entry(disk->trace, disk->pending[i]);

        if (power_is_name(entry)) {
            names = names && test_random(&cut.rng) % 2;

            if (names) {
                power_do_name(image->files, entry);
            }

        } else {
            power_cut_entry(image->files, entry, i, &cut);
        }
    }
}


/* Writes an image; pages of zeros are holes. */

static void
power_image_write(const power_image_t *image, const char *dir)
{
    int                   fd;
    char                  path[256];
    size_t                len, offset;
    unsigned              i;
    const power_file_t   *file;
    static unsigned char  zeros[16384], garbage[16384];

    memset(garbage, 0xa5, sizeof(garbage));

    for (i = 0; i < POWER_FILES; i++) {
        file = &image->files[i];

        if (file->name[0] == '\0') {
            continue;
        }

        snprintf(path, sizeof(path), "%s/%s", dir, file->name);
        fd = open(path, O_RDWR|O_CREAT|O_TRUNC, 0600);

        for (offset = 0; offset < file->size; offset += len) {
            len = file->size - offset;
            len = (len < sizeof(zeros)) ? len : sizeof(zeros);

            if (memcmp(file->data + offset, zeros, len) != 0
                && pwrite(fd, file->data + offset, len, (off_t) offset)
                   != (ssize_t) len)
            {
                perror(path);
                exit(2);
            }
        }

        if (fd == -1 || ftruncate(fd, (off_t) file->size) == -1) {
            perror(path);
            exit(2);
        }

        close(fd);
    }

    if (image->lock != 0) {
        snprintf(path, sizeof(path), "%s/lock.mdb", dir);
        fd = open(path, O_RDWR|O_CREAT|O_TRUNC, 0600);

        if (image->lock == 1 && write(fd, garbage, sizeof(garbage)) == -1) {
            perror(path);
            exit(2);
        }

        close(fd);
    }
}


#endif /* STORE_POWER_IMAGE_H */
