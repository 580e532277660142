/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Memory for secrets: pages of their own, that no core dump contains and that
 * are wiped before they are given back.  No nginx in here.
 */

#ifndef REFERRAL_SECRET_H
#define REFERRAL_SECRET_H

#include <stddef.h>


/* Zeroed memory; NULL when there is none, or it cannot be left out. */

void *referral_secret_alloc(size_t size);

/* Wipes and frees; data may be NULL. */

void referral_secret_free(void *data, size_t size);

/* Leaves whole pages that are there already out of dumps.  0, or -1. */

int referral_secret_hide(void *data, size_t size);


#endif /* REFERRAL_SECRET_H */
