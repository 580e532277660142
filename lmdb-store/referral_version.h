/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#ifndef REFERRAL_VERSION_H
#define REFERRAL_VERSION_H


#define REFERRAL_VERSION  "0.1.0"


#endif /* REFERRAL_VERSION_H */
