/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Networks: t/vectors/ip_hash.json, whose hashes are of the bytes that a
 * network is hashed by here, and the edges of each block.
 */

#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/in.h>
#include <string.h>

#include <openssl/hmac.h>

#include "referral_network.h"
#include "tap.h"


static size_t
bytes_of(const char *text, int block, unsigned char *buf)
{
    struct sockaddr_in   in;
    struct sockaddr_in6  in6;

    memset(&in, 0, sizeof(in));
    memset(&in6, 0, sizeof(in6));
    in.sin_family = AF_INET;
    in6.sin6_family = AF_INET6;

    if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
        return referral_network((struct sockaddr *) &in, block, buf);
    }

    (void) inet_pton(AF_INET6, text, &in6.sin6_addr);

    return referral_network((struct sockaddr *) &in6, block, buf);
}


static int
same(const char *a, const char *b, int block)
{
    size_t         len;
    unsigned char  of_a[REFERRAL_NETWORK_MAX], of_b[REFERRAL_NETWORK_MAX];

    len = bytes_of(a, block, of_a);

    return bytes_of(b, block, of_b) == len && memcmp(of_a, of_b, len) == 0;
}


static void
vectors(void)
{
    size_t          i, len;
    json_t         *file, *list, *row;
    unsigned        n, byte;
    unsigned char   salt[32], mac[EVP_MAX_MD_SIZE];
    unsigned char   buf[REFERRAL_NETWORK_MAX];
    char            hex[17];
    const char     *text;

    file = json_load_file("t/vectors/ip_hash.json", 0, NULL);
    list = json_object_get(file, "vectors");
    text = json_string_value(json_object_get(file, "salt"));
    tap_ok(json_array_size(list) == 6, "6 vectors");

    for (i = 0; text != NULL && i < sizeof(salt); i++) {
        sscanf(text + 2 * i, "%2x", &byte);
        salt[i] = (unsigned char) byte;
    }

    json_array_foreach(list, i, row) {
        text = json_string_value(json_array_get(row, 0));
        len = bytes_of(text, 0, buf);

        HMAC(EVP_sha256(), salt, sizeof(salt), buf, len, mac, &n);

        for (n = 0; n < 8; n++) {
            snprintf(hex + 2 * n, 3, "%02x", mac[n]);
        }

        tap_is_str(hex, 16, json_string_value(json_array_get(row, 1)), text);
    }

    json_decref(file);
}


static void
blocks(void)
{
    tap_ok(same("192.0.2.1", "192.0.2.254", 1), "a /24 is one block");
    tap_ok(!same("192.0.2.1", "192.0.3.1", 1), "the next is another");
    tap_ok(!same("192.0.2.1", "192.0.2.2", 0), "an address is one network");
    tap_ok(same("::ffff:192.0.2.1", "192.0.2.9", 1), "of IPv4 in IPv6 too");
    tap_ok(same("2001:db8:1:2::1", "2001:db8:1:ff::1", 1),
           "a /48 is one block");
    tap_ok(!same("2001:db8:1::1", "2001:db8:2::1", 1), "the next is another");
    tap_ok(!same("2001:db8:1:2::1", "2001:db8:1:3::1", 0),
           "a /64 is one network");
    tap_ok(!same("::", "0.0.0.0", 0) && !same("::", "0.0.0.0", 1),
           "no address of IPv6 is one of IPv4");
}


static void
local(void)
{
    struct sockaddr  sa;
    unsigned char    buf[REFERRAL_NETWORK_MAX];

    memset(&sa, 0, sizeof(sa));
    sa.sa_family = AF_UNIX;

    tap_ok(referral_network(&sa, 0, buf) == 1 && buf[0] == 0,
           "a local socket is a network of its own");
}


int
main(void)
{
    vectors();
    blocks();
    local();

    return tap_done();
}
