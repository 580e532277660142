/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The directory of the store: where it may be, and whose it is.  It is made
 * when nginx starts or reloads; "nginx -t" only looks.
 */

#include "ngx_http_referral_module.h"

#include <pwd.h>


/* The path without symbolic links; of what is not there yet, its parent's. */

static ngx_int_t
ngx_http_referral_real_path(ngx_pool_t *pool, ngx_str_t *path,
    ngx_str_t *real)
{
    size_t  len, last;
    u_char  text[PATH_MAX], found[PATH_MAX];

    *real = *path;

    if (path->len >= sizeof(text)) {
        return NGX_OK;
    }

    ngx_cpystrn(text, path->data, path->len + 1);
    last = path->len;

    if (ngx_realpath(text, found) == NULL) {

        while (last > 0 && text[last - 1] != '/') {
            last--;
        }

        text[last] = '\0';

        if (last <= 1 || ngx_realpath(text, found) == NULL) {
            return NGX_OK;
        }

        last--;
    }

    len = ngx_strlen(found);

    real->data = ngx_pnalloc(pool, len + path->len - last + 1);
    if (real->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(real->data, found, len);
    ngx_cpystrn(real->data + len, path->data + last, path->len - last + 1);
    real->len = len + path->len - last;

    return NGX_OK;
}


static const char *
ngx_http_referral_directory_wrong(ngx_str_t *path)
{
    u_char           *p, ch;
    ngx_int_t         rc;
    ngx_file_info_t   fi;

    if (ngx_file_info(path->data, &fi) != NGX_FILE_ERROR) {
        return ngx_is_dir(&fi) ? NULL : "is not a directory";
    }

    if (ngx_errno == ELOOP) {
        return "is a loop of symbolic links";
    }

    if (ngx_link_info(path->data, &fi) != NGX_FILE_ERROR) {
        return "is a symbolic link that leads nowhere";
    }

    p = path->data + path->len;

    while (*--p != '/') { /* void */ }

    /* the root directory is there */

    ch = p[1];
    p[1] = '\0';
    rc = ngx_file_info(path->data, &fi);
    p[1] = ch;

    if (rc == NGX_FILE_ERROR
        && (ngx_errno == ENOENT || ngx_errno == ENOTDIR))
    {
        return "cannot be made, the directory above it is not there";
    }

    return NULL;
}


/* Without empty names, "." and "..", and without a slash at its end. */

static ngx_int_t
ngx_http_referral_plain_path(ngx_pool_t *pool, ngx_str_t *path,
    ngx_str_t *plain)
{
    u_char     *p, *end, *dst;
    ngx_str_t   name;

    plain->data = ngx_pnalloc(pool, path->len + 1);
    if (plain->data == NULL) {
        return NGX_ERROR;
    }

    dst = plain->data;
    end = path->data + path->len;

    for (p = path->data; p < end; p++) {
        name.data = p;

        while (p < end && *p != '/') {
            p++;
        }

        name.len = p - name.data;

        if (name.len == 2 && ngx_strncmp(name.data, "..", 2) == 0) {
            while (dst > plain->data && *--dst != '/') { /* void */ }

        } else if (name.len != 0 && !(name.len == 1 && *name.data == '.')) {
            *dst++ = '/';
            dst = ngx_cpymem(dst, name.data, name.len);
        }
    }

    plain->len = dst - plain->data;

    return NGX_OK;
}


ngx_int_t
ngx_http_referral_directory_set(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf, ngx_str_t *path)
{
    const char  *wrong;

    rmcf->store = *path;
    rmcf->store_place.file = cf->conf_file->file.name.data;
    rmcf->store_place.line = cf->conf_file->line;

    while (rmcf->store.len > 1
           && rmcf->store.data[rmcf->store.len - 1] == '/')
    {
        rmcf->store.data[--rmcf->store.len] = '\0';
    }

    wrong = ngx_http_referral_directory_wrong(&rmcf->store);

    if (wrong != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" %s", &rmcf->store,
                           wrong);
        return NGX_ERROR;
    }

    if (ngx_http_referral_plain_path(cf->pool, &rmcf->store,
                                     &rmcf->store_plain)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_referral_real_path(cf->pool, &rmcf->store,
                                       &rmcf->store_real);
}


static ngx_uint_t
ngx_http_referral_below(ngx_str_t *path, ngx_str_t *root)
{
    size_t  len;

    len = root->len;

    while (len > 0 && root->data[len - 1] == '/') {
        len--;
    }

    return path->len >= len
           && ngx_strncmp(path->data, root->data, len) == 0
           && (path->len == len || path->data[len] == '/');
}


/*
 * Who can fetch the files reads the codes; and a worker that opens and closes
 * lock.mdb to send it has given up the locks of its own store.
 */

ngx_int_t
ngx_http_referral_directory_hidden(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf)
{
    ngx_str_t                  real, plain;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* most locations have the root of their server */

    if (rmcf->store.len == 0 || clcf->root_lengths != NULL
        || clcf->root.data == rmcf->root)
    {
        return NGX_OK;
    }

    rmcf->root = clcf->root.data;

    if (ngx_http_referral_real_path(cf->temp_pool, &clcf->root, &real)
        != NGX_OK
        || ngx_http_referral_plain_path(cf->temp_pool, &clcf->root, &plain)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!ngx_http_referral_below(&rmcf->store_plain, &plain)
        && !ngx_http_referral_below(&rmcf->store_real, &real))
    {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "the store \"%V\" is below \"%s\", from where nginx would "
                  "send its files to anybody, in %s:%ui", &rmcf->store,
                  clcf->root.data, rmcf->store_place.file,
                  rmcf->store_place.line);

    return NGX_ERROR;
}


static void
ngx_http_referral_user_name(uid_t uid, char *name, size_t size)
{
    struct passwd  *pwd;

    pwd = getpwuid(uid);

    if (pwd != NULL) {
        (void) snprintf(name, size, "%s", pwd->pw_name);
        return;
    }

    (void) snprintf(name, size, "%u", (unsigned) uid);
}


static void
ngx_http_referral_foreign(ngx_http_referral_main_conf_t *rmcf,
    const char *file, uid_t owner, uid_t uid, ngx_log_t *log)
{
    char  theirs[64], ours[64];

    ngx_http_referral_user_name(owner, theirs, sizeof(theirs));
    ngx_http_referral_user_name(uid, ours, sizeof(ours));

    ngx_log_error(NGX_LOG_WARN, log, 0,
                  "\"%V%s\" belongs to user \"%s\", but workers run as \"%s\" "
                  "and cannot use it, in %s:%ui", &rmcf->store, file, theirs,
                  ours, rmcf->store_place.file, rmcf->store_place.line);
}


/* That there is something in it; one that cannot be read counts as empty. */

static ngx_uint_t
ngx_http_referral_directory_used(ngx_str_t *path)
{
    u_char      *name;
    ngx_dir_t    dir;
    ngx_uint_t   used;

    if (ngx_open_dir(path, &dir) == NGX_ERROR) {
        return 0;
    }

    used = 0;

    while (!used && ngx_read_dir(&dir) == NGX_OK) {
        name = ngx_de_name(&dir);
        used = (ngx_strcmp(name, ".") != 0 && ngx_strcmp(name, "..") != 0);
    }

    (void) ngx_close_dir(&dir);

    return used;
}


static void
ngx_http_referral_directory_refuse(ngx_http_referral_main_conf_t *rmcf,
    uid_t owner, uid_t uid, ngx_log_t *log)
{
    char  theirs[64], ours[64];

    ngx_http_referral_user_name(owner, theirs, sizeof(theirs));
    ngx_http_referral_user_name(uid, ours, sizeof(ours));

    ngx_log_error(NGX_LOG_EMERG, log, 0,
                  "\"%V\" of user \"%s\" has other files in it and is not "
                  "given to \"%s\", as whom workers run, in %s:%ui",
                  &rmcf->store, theirs, ours, rmcf->store_place.file,
                  rmcf->store_place.line);
}


static uid_t
ngx_http_referral_workers_uid(ngx_core_conf_t *ccf)
{
    return (geteuid() == 0) ? ccf->user : geteuid();
}


static ngx_int_t
ngx_http_referral_data_info(ngx_http_referral_main_conf_t *rmcf,
    ngx_file_info_t *fi)
{
    u_char  file[PATH_MAX];

    (void) ngx_snprintf(file, sizeof(file), "%V/data.mdb%Z", &rmcf->store);
    file[sizeof(file) - 1] = '\0';

    return (ngx_file_info(file, fi) != NGX_FILE_ERROR) ? NGX_OK : NGX_DECLINED;
}


ngx_int_t
ngx_http_referral_directory_check(ngx_http_referral_main_conf_t *rmcf,
    ngx_log_t *log)
{
    uid_t            uid;
    ngx_int_t        store;
    ngx_file_info_t  dir, data;

    if (ngx_file_info(rmcf->store.data, &dir) == NGX_FILE_ERROR) {
        return NGX_OK;
    }

    uid = ngx_http_referral_workers_uid(rmcf->core);
    store = ngx_http_referral_data_info(rmcf, &data);

    if (store == NGX_OK && data.st_uid != uid) {
        ngx_http_referral_foreign(rmcf, "/data.mdb", data.st_uid, uid, log);
        return NGX_OK;
    }

    if (dir.st_uid != uid) {

        if (store != NGX_OK && ngx_http_referral_directory_used(&rmcf->store))
        {
            ngx_http_referral_directory_refuse(rmcf, dir.st_uid, uid, log);
            return NGX_ERROR;
        }

        if (geteuid() != 0) {
            ngx_http_referral_foreign(rmcf, "", dir.st_uid, uid, log);
        }
    }

    if (dir.st_mode & 077) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "\"%V\" is open to group or others, it should have mode "
                      "0700, in %s:%ui", &rmcf->store, rmcf->store_place.file,
                      rmcf->store_place.line);
    }

    return NGX_OK;
}


static void
ngx_http_referral_directory_make(ngx_http_referral_main_conf_t *rmcf,
    uid_t uid, ngx_log_t *log)
{
    const char  *what;

    what = "mkdir()";

    if (ngx_create_dir(rmcf->store.data, 0700) != NGX_FILE_ERROR) {
        what = "chown()";

        if (uid == geteuid()
            || chown((char *) rmcf->store.data, uid, -1) != -1)
        {
            return;
        }
    }

    ngx_log_error(NGX_LOG_EMERG, log, ngx_errno, "%s \"%V\" failed in %s:%ui",
                  what, &rmcf->store, rmcf->store_place.file,
                  rmcf->store_place.line);
}


/* One that was checked and has no store of another user in it. */

static void
ngx_http_referral_directory_own(ngx_http_referral_main_conf_t *rmcf,
    uid_t uid, ngx_log_t *log)
{
    ngx_file_info_t  dir, data;

    if (geteuid() != 0
        || ngx_file_info(rmcf->store.data, &dir) == NGX_FILE_ERROR
        || dir.st_uid == uid)
    {
        return;
    }

    if (ngx_http_referral_data_info(rmcf, &data) == NGX_OK
        && data.st_uid != uid)
    {
        return;
    }

    if (chown((char *) rmcf->store.data, uid, -1) == -1) {
        ngx_log_error(NGX_LOG_EMERG, log, ngx_errno,
                      "chown() \"%V\" failed in %s:%ui", &rmcf->store,
                      rmcf->store_place.file, rmcf->store_place.line);
    }
}


void
ngx_http_referral_directory(ngx_http_referral_main_conf_t *rmcf,
    ngx_log_t *log)
{
    uid_t            uid;
    ngx_file_info_t  fi;

    uid = ngx_http_referral_workers_uid(rmcf->core);

    if (ngx_file_info(rmcf->store.data, &fi) != NGX_FILE_ERROR) {
        ngx_http_referral_directory_own(rmcf, uid, log);

    } else {
        ngx_http_referral_directory_make(rmcf, uid, log);
    }
}
