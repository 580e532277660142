/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Records: every change of the store is one, see store_apply.c.
 */

#ifndef REFERRAL_RECORDS_H
#define REFERRAL_RECORDS_H

#include "referral_types.h"


/*
 * Classes of a click, DESIGN.md section 2.  The numbers are on disk: append
 * only.
 */

typedef enum {
    REFERRAL_CLASS_HUMAN = 0,
    REFERRAL_CLASS_CRAWLER,
    REFERRAL_CLASS_PREVIEW,
    REFERRAL_CLASS_PREFETCH,
    REFERRAL_CLASS_SCANNER,
    REFERRAL_CLASS_STUFFING,
    REFERRAL_CLASS_PROBE,
    REFERRAL_CLASS_SUSPECT,
    REFERRAL_CLASS_SELF,
    REFERRAL_CLASS_UNKNOWN,
    REFERRAL_CLASS_INACTIVE,
    REFERRAL_CLASSES
} referral_class_t;

/* Why a click got its class.  On disk: append only. */

typedef enum {
    REFERRAL_WHY_NAVIGATION = 0,    /* a person opened the link */
    REFERRAL_WHY_METHOD,            /* HEAD, OPTIONS */
    REFERRAL_WHY_SEC_PURPOSE,       /* Sec-Purpose, Purpose, X-Purpose, X-Moz */
    REFERRAL_WHY_FETCH_DEST,        /* Sec-Fetch-Dest is not document */
    REFERRAL_WHY_FETCH_MODE,        /* Sec-Fetch-Mode is not navigate */
    REFERRAL_WHY_ACCEPT,            /* no text/html in Accept */
    REFERRAL_WHY_NO_USER_AGENT,
    REFERRAL_WHY_USER_AGENT,        /* the built-in list */
    REFERRAL_WHY_BOTS_FILE,         /* the program's own list */
    REFERRAL_WHY_MATCH_LIMIT,       /* the list could not decide in its budget */
    REFERRAL_WHY_OWNER,             /* the code's owner followed it */
    REFERRAL_WHY_NO_CODE,
    REFERRAL_WHY_CODE_ENDED,
    REFERRAL_WHY_CODE_PAUSED,
    REFERRAL_WHY_NO_FETCH_METADATA, /* over TLS, of a browser that sends it */
    REFERRAL_WHY_NO_LANGUAGE,       /* likewise without Accept-Language */
    REFERRAL_WHY_SCANNER_REFERER,   /* came through a mail gateway's page */
    REFERRAL_WHY_BANNED_REFERER,    /* from a host that the program bans */
    REFERRAL_WHY_BURST,             /* after a probe or scan of its network */
    REFERRAL_WHY_CLIENT_HINTS,      /* Sec-CH-UA names a headless browser */
    REFERRAL_WHY_BOT_HEADER,        /* From, X-Scanner */
    REFERRAL_WHY_VELOCITY,          /* too many clicks of network or code */
    REFERRAL_WHY_ENUMERATION,       /* its network guesses codes */
    REFERRAL_WHYS
} referral_why_t;


typedef enum {
    REFERRAL_RECORD_CLICK = 1,
    REFERRAL_RECORD_CODE = 2,
    REFERRAL_RECORD_PROGRAM = 3,        /* written by the store itself */
    REFERRAL_RECORD_EVENT = 4,
    REFERRAL_RECORD_REFUND = 5,
    REFERRAL_RECORD_DECISION = 6,       /* about a reward or a held event */
    REFERRAL_RECORD_RULES = 7,          /* written by the store itself */
    REFERRAL_RECORD_TICK = 8,           /* likewise: holds that passed */
    REFERRAL_RECORD_NOTE = 9            /* likewise: what followed from the
                                           records before it */
} referral_record_type_t;


/* -------------------------------------------------------------- clicks -- */

#define REFERRAL_CLICK_OPEN      0x01   /* create the code when it is new */
#define REFERRAL_CLICK_REPEAT    0x02   /* the cookie proves an earlier click
                                           within the window: not unique */
#define REFERRAL_CLICK_PARAM     0x04   /* came by ?ref=, not by a link */
#define REFERRAL_CLICK_PAID      0x08   /* with the mark of an advertisement */
#define REFERRAL_CLICK_NO_ACTIVATION  0x10  /* a page went there by itself */

typedef struct {
    uint32_t                program;
    uint32_t                code_id;    /* 0: unknown, or see code */
    referral_str_t          code;       /* with code_id 0 and CLICK_OPEN, or a
                                           class not UNKNOWN: resolved, and
                                           with OPEN created, when applied */
    uint8_t                 class;      /* referral_class_t */
    uint8_t                 why;        /* referral_why_t */
    uint8_t                 flags;
    referral_str_t          channel;    /* may be empty */
    referral_str_t          landing;    /* path sent to; may be empty */
    unsigned char           click_id[REFERRAL_CLICK_ID_SIZE];  /* zeros: none */
    uint64_t                visitor;    /* salted hash; 0: not to be counted
                                           as unique */
    uint64_t                visitor_before;  /* by the salt before; 0: none */
    uint32_t                unique_window;   /* seconds, 0: each click counts */
} referral_click_t;


/* --------------------------------------------------------------- codes -- */

/* Fields a CODE record sets; the others keep their value. */

#define REFERRAL_SET_OWNER       0x01
#define REFERRAL_SET_KIND        0x02
#define REFERRAL_SET_NAME        0x04
#define REFERRAL_SET_LANDING     0x08
#define REFERRAL_SET_STATUS      0x10
#define REFERRAL_CODE_NEW        0x40   /* REFERRAL_EXISTS when it is not new */
#define REFERRAL_CODE_OLD        0x80   /* REFERRAL_NOT_FOUND when it is new */

typedef enum {
    REFERRAL_KIND_CUSTOMER = 0,
    REFERRAL_KIND_PARTNER
} referral_kind_t;

typedef enum {
    REFERRAL_STATUS_ACTIVE = 0,
    REFERRAL_STATUS_PAUSED,
    REFERRAL_STATUS_ENDED               /* a tombstone; there is no way back */
} referral_status_t;

typedef struct {
    uint32_t                program;
    referral_str_t          code;       /* as it shall be shown */
    uint8_t                 set;        /* REFERRAL_SET_*, REFERRAL_CODE_* */
    uint8_t                 kind;
    uint8_t                 status;
    referral_str_t          owner;
    referral_str_t          name;       /* UTF-8, of the referrer */
    referral_str_t          landing;
} referral_code_change_t;

typedef struct {
    uint32_t                id;
    uint8_t                 case_sensitive;
    referral_str_t          name;
} referral_program_t;


/* -------------------------------------------------------------- events -- */

/* Which door an event came through. */

typedef enum {
    REFERRAL_SOURCE_API = 0,
    REFERRAL_SOURCE_HEADER,             /* X-Referral-Event */
    REFERRAL_SOURCE_IMPORT              /* referralctl: occurred is its time */
} referral_source_t;

/* What became of the token that came with an event. */

typedef enum {
    REFERRAL_TOKEN_NONE = 0,
    REFERRAL_TOKEN_VALID,               /* touches are set */
    REFERRAL_TOKEN_EXPIRED,
    REFERRAL_TOKEN_INVALID
} referral_token_t;

typedef struct {
    referral_str_t          code;
    referral_str_t          channel;
    unsigned char           click_id[REFERRAL_CLICK_ID_SIZE];  /* zeros: none */
    int64_t                 time;       /* seconds */
} referral_credit_t;

#define REFERRAL_EVENT_AMOUNT    0x01   /* has an amount and a currency */
#define REFERRAL_EVENT_VELOCITY  0x02   /* there were too many lately */
#define REFERRAL_EVENT_DATED     0x04   /* what occurred before its click is
                                           held; without it, as before */
#define REFERRAL_EVENT_FLAGS     0x07   /* others make it no record */

/*
 * An event of a friend.  order_id is the key: the same id with the same
 * content is a duplicate.  Content is event, amount, currency, customer,
 * occurred, click_id and coupon, and, through the API, the touches of the
 * token: what the header door knows of the visitor is no content.
 */

typedef struct {
    uint32_t                program;
    referral_str_t          event;      /* name */
    referral_str_t          order_id;   /* 1 to REFERRAL_ID_MAX bytes */
    referral_str_t          customer;   /* id; may be empty */
    referral_str_t          coupon;     /* a code that was named, or empty */
    unsigned char           click_id[REFERRAL_CLICK_ID_SIZE];  /* named */
    uint8_t                 source;     /* referral_source_t */
    uint8_t                 flags;
    uint8_t                 token;      /* referral_token_t */
    uint16_t                currency;   /* ISO 4217 number */
    int64_t                 amount;     /* 0 to REFERRAL_AMOUNT_MAX */
    int64_t                 occurred;   /* ms; 0: not told */
    uint64_t                draw;       /* random, for surprise gifts */
    referral_credit_t       first;      /* of a valid token */
    referral_credit_t       last;
} referral_event_t;

#define REFERRAL_REFUND_WHOLE    0x01   /* what is left of the order */
#define REFERRAL_REFUND_CURRENCY 0x02   /* currency was told */

typedef struct {
    uint32_t                program;
    referral_str_t          order_id;
    referral_str_t          refund_id;
    referral_str_t          reason;     /* may be empty */
    uint8_t                 flags;
    uint16_t                currency;
    int64_t                 amount;     /* 1 and more, unless WHOLE */
} referral_refund_t;

typedef enum {
    REFERRAL_DECIDE_APPROVE = 0,
    REFERRAL_DECIDE_CLAIM,              /* rewards only */
    REFERRAL_DECIDE_VOID
} referral_decide_t;

/* What a person or a program decided about a reward or a held event. */

typedef struct {
    uint32_t                program;
    uint8_t                 what;       /* referral_decide_t */
    uint64_t                reward;     /* 0: the event of order_id */
    referral_str_t          order_id;
    referral_str_t          reason;     /* may be empty */
} referral_decision_t;

typedef struct {
    uint32_t                program;
    referral_str_t          rules;      /* encoded */
} referral_rules_change_t;


/* --------------------------------------------------------------- notes -- */

/* Where an event stands. */

typedef enum {
    REFERRAL_EVENT_PENDING = 0,
    REFERRAL_EVENT_APPROVED,
    REFERRAL_EVENT_HELD,
    REFERRAL_EVENT_REFUNDED,
    REFERRAL_EVENT_UNATTRIBUTED,
    REFERRAL_EVENT_REJECTED,
    REFERRAL_EVENT_STATUSES,
    REFERRAL_EVENT_AWAITED = 15         /* a refund came before it; not shown */
} referral_event_status_t;

/*
 * Where a reward stands.  The transitions:
 *
 *   from      approve    claim     void    hold passed   refund of its cause
 *   pending   approved   -         void    approved      void
 *   held      approved   -         void    -             void
 *   approved  again      claimed   void    -             void
 *   claimed   -          again     -       -             void, and owed back
 *   void      -          -         again   -             -
 *
 * "again" is a duplicate, "-" refused.  The rewards of a held event are held
 * with it, and become pending when it is approved.
 */

typedef enum {
    REFERRAL_REWARD_PENDING = 0,
    REFERRAL_REWARD_HELD,
    REFERRAL_REWARD_APPROVED,
    REFERRAL_REWARD_CLAIMED,
    REFERRAL_REWARD_VOID,
    REFERRAL_REWARD_STATES,
    REFERRAL_REWARD_NEW = 15            /* "from" of a note: there was none */
} referral_reward_state_t;

typedef enum {
    REFERRAL_NOTE_REWARD = 1,           /* id, from, to */
    REFERRAL_NOTE_EVENT,                /* order, from, to */
    REFERRAL_NOTE_TIER                  /* names of tiers, empty: none */
} referral_note_kind_t;

typedef struct {
    uint32_t                program;
    uint32_t                code_id;    /* 0: none */
    uint8_t                 kind;       /* referral_note_kind_t */
    uint8_t                 from;
    uint8_t                 to;
    uint64_t                id;         /* of the reward, or sequence of the
                                           event's record */
    referral_str_t          before;     /* TIER: names; REWARD: its name */
    referral_str_t          after;      /* EVENT, REWARD: the order id */
} referral_note_t;


typedef struct {
    uint8_t                 type;       /* referral_record_type_t */
    uint8_t                 reply;      /* a result is wanted */
    int64_t                 time;       /* when it was taken, ms */
    union {
        referral_click_t        click;
        referral_code_change_t  code;
        referral_program_t      program;
        referral_event_t        event;
        referral_refund_t       refund;
        referral_decision_t     decision;
        referral_rules_change_t rules;
        referral_note_t         note;
    } u;
} referral_record_t;


/* Names as the API spells them ("human", "sec_purpose"); never NULL. */

const char *referral_class_name(unsigned class);
const char *referral_why_name(unsigned why);
const char *referral_event_status_name(unsigned status);
const char *referral_reward_state_name(unsigned state);


#endif /* REFERRAL_RECORDS_H */
