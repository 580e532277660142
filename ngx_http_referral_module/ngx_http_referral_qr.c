/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * QR codes: found by libqrencode, written as SVG, or by libpng.
 */

#include "ngx_http_referral_share.h"

#include <png.h>
#include <qrencode.h>
#include <zlib.h>


#define NGX_HTTP_REFERRAL_QR_QUIET  4           /* modules around it */


static ngx_uint_t ngx_http_referral_qr_number(ngx_str_t *s);
static ngx_int_t ngx_http_referral_qr_link(ngx_http_referral_qr_t *qr,
    ngx_http_referral_share_t *share, ngx_http_request_t *r,
    referral_str_t *link);
static void ngx_http_referral_qr_svg(ngx_http_referral_qr_t *qr,
    QRcode *code, referral_out_t *out);
static void ngx_http_referral_qr_png(ngx_http_referral_qr_t *qr,
    ngx_pool_t *pool, QRcode *code, referral_out_t *out);
static void ngx_http_referral_qr_rows(ngx_http_referral_qr_t *qr,
    png_structp png, QRcode *code, u_char *row);
static void ngx_http_referral_qr_write(png_structp png, png_bytep data,
    png_size_t len);
static void ngx_http_referral_qr_flush(png_structp png);
static void ngx_http_referral_qr_error(png_structp png,
    png_const_charp message);
static void ngx_http_referral_qr_warning(png_structp png,
    png_const_charp message);


static const char  ngx_http_referral_qr_levels[] = "LMQH";  /* as QRecLevel */


const char *
ngx_http_referral_qr_set(ngx_http_referral_qr_t *qr, ngx_str_t *size,
    ngx_str_t *level, ngx_str_t *channel, const char **why)
{
    u_char  *p;

    qr->size = NGX_HTTP_REFERRAL_QR_SIZE;
    qr->level = QR_ECLEVEL_M;
    qr->named = (channel != NULL);

    if (size != NULL) {
        qr->size = ngx_http_referral_qr_number(size);

        if (qr->size == 0) {
            *why = "it is not a number from 64 to 2048";
            return "size";
        }
    }

    if (level != NULL) {
        p = (level->len == 1)
            ? ngx_strlchr((u_char *) ngx_http_referral_qr_levels,
                          (u_char *) ngx_http_referral_qr_levels + 4,
                          level->data[0])
            : NULL;
        if (p == NULL) {
            *why = "it is not L, M, Q or H";
            return "level";
        }

        qr->level = p - (u_char *) ngx_http_referral_qr_levels;
    }

    if (channel != NULL) {
        qr->channel = ngx_http_referral_str(*channel);

        if (channel->len > REFERRAL_CHANNEL_MAX
            || (channel->len != 0 && !referral_code_right(qr->channel)))
        {
            *why = "it is not a channel of at most 16 letters and digits";
            return "channel";
        }
    }

    return NULL;
}


static ngx_uint_t
ngx_http_referral_qr_number(ngx_str_t *s)
{
    ngx_int_t  n;

    n = ngx_atoi(s->data, s->len);

    return (n >= NGX_HTTP_REFERRAL_QR_MIN && n <= NGX_HTTP_REFERRAL_QR_MAX)
           ? (ngx_uint_t) n : 0;
}


const char *
ngx_http_referral_qr_draw(ngx_http_referral_qr_t *qr,
    ngx_http_referral_share_t *share, ngx_http_request_t *r,
    referral_out_t *out, const char **why)
{
    QRcode          *code;
    referral_str_t   link;

    if (ngx_http_referral_qr_link(qr, share, r, &link) != NGX_OK) {
        *why = "it is no channel of this link";
        return "channel";
    }

    code = QRcode_encodeData((int) link.len, link.data, 0,
                             (QRecLevel) qr->level);

    if (code == NULL || share->failed) {
        out->failed = 1;

    } else if (qr->png) {
        ngx_http_referral_qr_png(qr, r->pool, code, out);

    } else {
        ngx_http_referral_qr_svg(qr, code, out);
    }

    QRcode_free(code);

    return NULL;
}


/* What is asked for by name has to be there, what is meant by default not. */

static ngx_int_t
ngx_http_referral_qr_link(ngx_http_referral_qr_t *qr,
    ngx_http_referral_share_t *share, ngx_http_request_t *r,
    referral_str_t *link)
{
    if (!qr->named) {
        *link = ngx_http_referral_share_link(share, "qr");
        return NGX_OK;
    }

    if (qr->channel.len == 0) {
        *link = share->link;
        return NGX_OK;
    }

    if (!ngx_http_referral_share_takes(share->program, share->written,
                                       qr->channel, r->pool,
                                       r->connection->log))
    {
        return NGX_DECLINED;
    }

    *link = ngx_http_referral_share_with(share, qr->channel);

    return NGX_OK;
}


/* A run of dark modules is a bar. */

static void
ngx_http_referral_qr_svg(ngx_http_referral_qr_t *qr, QRcode *code,
    referral_out_t *out)
{
    int      x, y, from;
    u_char  *row;

    ngx_http_referral_out_printf(out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%ui\" "
        "height=\"%ui\" viewBox=\"%d %d %d %d\" "
        "shape-rendering=\"crispEdges\">"
        "<path fill=\"#fff\" d=\"M%d %dh%dv%dH%dz\"/>"
        "<path d=\"",
        qr->size, qr->size,
        -NGX_HTTP_REFERRAL_QR_QUIET, -NGX_HTTP_REFERRAL_QR_QUIET,
        code->width + 2 * NGX_HTTP_REFERRAL_QR_QUIET,
        code->width + 2 * NGX_HTTP_REFERRAL_QR_QUIET,
        -NGX_HTTP_REFERRAL_QR_QUIET, -NGX_HTTP_REFERRAL_QR_QUIET,
        code->width + 2 * NGX_HTTP_REFERRAL_QR_QUIET,
        code->width + 2 * NGX_HTTP_REFERRAL_QR_QUIET,
        -NGX_HTTP_REFERRAL_QR_QUIET);

    for (y = 0; y < code->width; y++) {
        row = code->data + y * code->width;

        for (x = 0; x < code->width; x++) {

            if (!(row[x] & 1)) {
                continue;
            }

            for (from = x; x < code->width && (row[x] & 1); x++) { /* void */ }

            ngx_http_referral_out_printf(out, "M%d %dh%dv1H%dz", from, y,
                                         x - from, from);
        }
    }

    referral_out_write(out, "\"/></svg>\n", sizeof("\"/></svg>\n") - 1);
}


/* out is not changed between setjmp() and longjmp(), what it points to is. */

static void
ngx_http_referral_qr_png(ngx_http_referral_qr_t *qr, ngx_pool_t *pool,
    QRcode *code, referral_out_t *out)
{
    u_char       *row;
    png_infop     info;
    ngx_uint_t    modules;
    png_structp   png;

    modules = code->width + 2 * NGX_HTTP_REFERRAL_QR_QUIET;

    if (qr->size < modules) {
        qr->size = modules;
    }

    row = ngx_pnalloc(pool, (qr->size + 7) / 8);
    png = png_create_write_struct(PNG_LIBPNG_VER_STRING, out,
                                  ngx_http_referral_qr_error,
                                  ngx_http_referral_qr_warning);
    info = (png != NULL) ? png_create_info_struct(png) : NULL;

    if (row == NULL || info == NULL) {
        out->failed = 1;
        png_destroy_write_struct(&png, &info);
        return;
    }

    if (setjmp(png_jmpbuf(png))) {
        out->failed = 1;
        png_destroy_write_struct(&png, &info);
        return;
    }

    png_set_write_fn(png, out, ngx_http_referral_qr_write,
                     ngx_http_referral_qr_flush);
    png_set_IHDR(png, info, qr->size, qr->size, 1, PNG_COLOR_TYPE_GRAY,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);

    /* a row as the one above is all zeros then, and quickly compressed */

    png_set_filter(png, PNG_FILTER_TYPE_BASE, PNG_FILTER_UP);
    png_set_compression_strategy(png, Z_RLE);
    png_set_compression_level(png, 1);
    png_write_info(png, info);

    ngx_http_referral_qr_rows(qr, png, code, row);

    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
}


/* Modules of a whole number of pixels, in the middle. */

static void
ngx_http_referral_qr_rows(ngx_http_referral_qr_t *qr, png_structp png,
    QRcode *code, u_char *row)
{
    int  x, y, size, scale, margin, module, last;

    size = (int) qr->size;
    scale = size / (code->width + 2 * NGX_HTTP_REFERRAL_QR_QUIET);
    margin = (size - scale * code->width) / 2;
    last = -2;

    for (y = 0; y < size; y++) {
        module = (y < margin) ? -1 : (y - margin) / scale;

        if (module >= code->width) {
            module = -1;
        }

        if (module != last) {
            last = module;
            ngx_memset(row, 0xff, (qr->size + 7) / 8);

            for (x = margin; module != -1 && x < margin + scale * code->width;
                 x++)
            {
                if (code->data[module * code->width + (x - margin) / scale]
                    & 1)
                {
                    row[x / 8] &= (u_char) ~(0x80 >> (x % 8));
                }
            }
        }

        png_write_row(png, row);
    }
}


static void
ngx_http_referral_qr_write(png_structp png, png_bytep data, png_size_t len)
{
    referral_out_write(png_get_io_ptr(png), data, len);
}


static void
ngx_http_referral_qr_flush(png_structp png)
{
}


/* Out of memory: there is nothing else that could go wrong. */

static void
ngx_http_referral_qr_error(png_structp png, png_const_charp message)
{
    png_longjmp(png, 1);
}


static void
ngx_http_referral_qr_warning(png_structp png, png_const_charp message)
{
}
