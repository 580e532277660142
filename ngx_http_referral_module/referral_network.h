/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Whose an address is, as far as it can be told: the bytes that are hashed for
 * a visitor's network.  No nginx in here.
 */

#ifndef REFERRAL_NETWORK_H
#define REFERRAL_NETWORK_H

#include <stddef.h>
#include <sys/socket.h>


#define REFERRAL_NETWORK_MAX  9


/*
 * The version of the protocol, and an IPv4 address or the /64 of an IPv6 one,
 * as one visitor has all of it; block: a /24 or a /48, as one office or house
 * may have.  An IPv4 address written as an IPv6 one is one of IPv4.  Anything
 * else, a local socket, is one network: a byte 0.  Returns the length.
 */

size_t referral_network(const struct sockaddr *sa, int block,
    unsigned char buf[REFERRAL_NETWORK_MAX]);


#endif /* REFERRAL_NETWORK_H */
