/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <netinet/in.h>
#include <string.h>

#include "referral_network.h"


static size_t
referral_network_v4(const void *addr, int block, unsigned char *buf)
{
    size_t  len;

    len = block ? 3 : 4;
    buf[0] = 4;
    memcpy(buf + 1, addr, len);

    return 1 + len;
}


static size_t
referral_network_v6(const struct in6_addr *addr, int block, unsigned char *buf)
{
    size_t  len;

    if (IN6_IS_ADDR_V4MAPPED(addr)) {
        return referral_network_v4(&addr->s6_addr[12], block, buf);
    }

    len = block ? 6 : 8;
    buf[0] = 6;
    memcpy(buf + 1, addr->s6_addr, len);

    return 1 + len;
}


size_t
referral_network(const struct sockaddr *sa, int block,
    unsigned char buf[REFERRAL_NETWORK_MAX])
{
    struct sockaddr_in   in;
    struct sockaddr_in6  in6;

    switch (sa->sa_family) {

    case AF_INET6:
        memcpy(&in6, sa, sizeof(in6));
        return referral_network_v6(&in6.sin6_addr, block, buf);

    case AF_INET:
        memcpy(&in, sa, sizeof(in));
        return referral_network_v4(&in.sin_addr, block, buf);

    default:
        buf[0] = 0;
        return 1;
    }
}
