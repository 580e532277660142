/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Salted hashes of networks and visitors: what is counted by, and never known.
 */

#include "ngx_http_referral_module.h"
#include "referral_network.h"
#include "referral_siphash.h"


#define NGX_HTTP_REFERRAL_PURPOSE_LEN  16


/*
 * A user agent is long, and is needed by its hash only: to know what it was
 * taken for, and to tell visitors apart.
 */

void
ngx_http_referral_agent(referral_str_t user_agent, referral_nh_t *hash)
{
    *hash = referral_nh(ngx_http_referral_agent_key(), user_agent.data,
                        ngx_min(user_agent.len, REFERRAL_AGENT_BYTES));
}


/* Address, then agent, by the salt; 0 stands for no visitor. */

static uint64_t
ngx_http_referral_hash(const u_char *salt, const u_char *visitor, size_t len)
{
    uint64_t  hash;

    hash = referral_siphash(salt, visitor, len);

    return hash ? hash : 1;
}


void
ngx_http_referral_visitor_hash(ngx_http_request_t *r,
    const referral_nh_t *agent, uint64_t *today, uint64_t *before)
{
    size_t                      len;
    uint64_t                    word;
    u_char                      visitor[REFERRAL_NETWORK_MAX
                                        + sizeof(uint64_t)];
    ngx_http_referral_salts_t   salts;

    len = referral_network(r->connection->sockaddr, 0, visitor);

    word = agent->low ^ agent->high;
    ngx_memcpy(visitor + len, &word, sizeof(word));
    len += sizeof(word);

    ngx_http_referral_salts(&salts);

    *today = ngx_http_referral_hash(salts.today, visitor, len);
    *before = ngx_http_referral_hash(salts.before, visitor, len);

    ngx_explicit_memzero(&salts, sizeof(salts));
}


/* Nobody can choose an extra that collides: it goes by the salt as well. */

uint64_t
ngx_http_referral_network_key(ngx_http_request_t *r, ngx_uint_t block,
    const char *what, const void *extra, size_t len)
{
    size_t                      n;
    u_char                      text[NGX_HTTP_REFERRAL_PURPOSE_LEN
                                     + REFERRAL_NETWORK_MAX
                                     + sizeof(uint64_t)];
    uint64_t                    hash;
    ngx_http_referral_salts_t   salts;

    ngx_http_referral_salts(&salts);

    ngx_memzero(text, sizeof(text));
    (void) ngx_cpystrn(text, (u_char *) what, NGX_HTTP_REFERRAL_PURPOSE_LEN);

    n = NGX_HTTP_REFERRAL_PURPOSE_LEN;

    if (r != NULL) {
        n += referral_network(r->connection->sockaddr, block, text + n);
    }

    hash = referral_siphash(salts.today, extra, len);
    ngx_memcpy(text + n, &hash, sizeof(hash));
    hash = ngx_http_referral_hash(salts.today, text, n + sizeof(hash));

    ngx_explicit_memzero(&salts, sizeof(salts));

    return hash;
}


/* A local socket has no address: all of them are one client. */

ngx_int_t
ngx_http_referral_client_key(ngx_http_request_t *r, ngx_str_t *key)
{
    u_char  *p, network[1 + sizeof(struct in6_addr)];

    ngx_memzero(network, sizeof(network));
    (void) referral_network(r->connection->sockaddr, 0, network);

    p = ngx_pnalloc(r->pool, NGX_INET6_ADDRSTRLEN + sizeof("/64"));
    if (p == NULL) {
        return NGX_ERROR;
    }

    key->data = p;

    if (network[0] == 4) {
        key->len = ngx_inet_ntop(AF_INET, network + 1, p, NGX_INET_ADDRSTRLEN);

    } else if (network[0] == 6) {
        p += ngx_inet_ntop(AF_INET6, network + 1, p, NGX_INET6_ADDRSTRLEN);
        key->len = ngx_cpymem(p, "/64", 3) - key->data;

    } else {
        key->len = ngx_cpymem(p, "unix:", 5) - key->data;
    }

    return NGX_OK;
}
