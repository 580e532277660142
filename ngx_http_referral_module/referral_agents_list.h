/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The built-in user agents, as parts of case-insensitive regexes.  Words for
 * a kind of software are better than names of a product, which age.  A part
 * begins with a lower-case letter where it can, which is not quantified, and
 * has no "|" outside of parentheses.  What is marked (isbot) is from isbot's
 * patterns, which are in the public domain (Unlicense).
 */

#ifndef REFERRAL_AGENTS_LIST_H
#define REFERRAL_AGENTS_LIST_H

#include "referral_classify.h"


enum {
    REFERRAL_LIST_BROWSER = 0,
    REFERRAL_LIST_HUMAN,
    REFERRAL_LIST_PREVIEW,
    REFERRAL_LIST_SCANNER,
    REFERRAL_LIST_CRAWLER,
    REFERRAL_LISTS
};


/* How a browser introduces itself: by its engine.  All others are clients. */

static const char *const  referral_agents_browser[] = {
    "applewebkit",
    "khtml",
    "gecko/",
    "trident/",
    "msie \\d",
    "presto/",
    "goanna/",
    "midp-\\d",
    "up\\.browser/",
    "uc ?browser",
    "ucweb",
    "^(?:opera[ /]\\d|lynx/|e?links[ /]|w3m/)",
    NULL
};


/* Browsers in apps, and phones, with names that the lists below may hit. */

static const char *const  referral_agents_human[] = {
    "fba[nv]/",
    "fb_iab/",
    "instagram \\d",
    "linkedinapp\\b",
    "pinterest/(?:ios|android)",
    "snapchat/\\d",
    " line/\\d",
    "viber/\\d",
    "micromessenger/\\d",
    "kakaotalk \\d",
    "gsa/\\d",
    "slack_ssb/",
    "; \\w{1,5}[ _]bot[ _](?:\\d|tab|build)",
    NULL
};


/* What fetches a page to show what a link is about. */

static const char *const  referral_agents_preview[] = {
    "preview",
    "unfurl",
    "onebox",
    "open ?graph",
    "metatagfetcher",
    "richlink",
    "imageproxy",
    "imgproxy",
    "mailproxy",
    "facebookexternalhit",
    "facebot\\b",
    "meta-external(?:fetcher|hit)",
    "slackbot",
    "twitterbot",
    "discordbot",
    "telegrambot",
    "linkedinbot",
    "pinterest(?:bot|/\\d)",
    "redditbot",
    "vkshare",
    "vkrobot",
    "odklbot",
    "mastodon/",
    "pleroma",
    "akkoma",
    "misskey",
    "friendica",
    "lemmy/",
    "summaly",
    "bluesky",
    "cardyb/",
    "embedly",
    "iframely",
    "flipboardproxy",
    "mattermost-bot",
    "kakaotalk-scrap",
    "line-poker",
    "linespider",
    "groupmebot",
    "keybasebot",
    "xing ?bot",
    "steamchaturl",
    "github-camo",
    "google web snippet",
    "^(?:whatsapp|viber|synapse|notion|tumblr)\\b",
    NULL
};


/* What opens a link to judge it: mail gateways, then security tools. */

static const char *const  referral_agents_scanner[] = {
    "barracuda",
    "proofpoint",
    "urldefense",
    "mimecast",
    "safelinks",
    "messagelabs",
    "forcepoint",
    "websense",
    "cloudmark",
    "fortiguard",
    "trendmicro",
    "virustotal",
    "urlscan",
    "urlvoid",
    "phish",
    "malware",
    "vulnerab",
    "security",
    "scan(?<!camscan)(?:\\b|n(?:er|ing)\\b|bot)",
    "netcraft",
    "censys",
    "shodan",
    "expanse, a palo",
    "nmap ",
    "nikto",
    "nessus",
    "openvas",
    "qualys",
    "acunetix",
    "detectify",
    "probely",
    "wpscan",
    "dirbuster",
    "sqlmap",
    "nuclei",
    "zgrab",
    "masscan",
    "burpcollaborator",                                         /* (isbot) */
    "sucuri",
    "sansec",
    "watchtowr",                                                /* (isbot) */
    "hardenize",                                                /* (isbot) */
    "foregenix",                                                /* (isbot) */
    "bitsight",
    "let's encrypt",
    NULL
};


/* Search engines, AI fetchers, monitors, archives and scripts. */

static const char *const  referral_agents_crawler[] = {
    "bot(?<!cubot)(?<!\\bxbot)(?:s?\\b|_)",                     /* (isbot) */
    "robot",
    "crawl",                                                    /* (isbot) */
    "spider",                                                   /* (isbot) */
    "slurp",
    "scrap[ei]",
    "headless",                                                 /* (isbot) */
    "http(?<!libhttp)",                                         /* (isbot) */
    "@[a-z][\\w-]+\\.",                                         /* (isbot) */
    "\\.com\\b",                                                /* (isbot) */
    "compatible; (?!msie |konqueror/|u;|windows|linux)",
    "archiv",
    "agent\\b",                                                 /* (isbot) */
    "audit",                                                    /* (isbot) */
    "analy[sz]er",
    "check(?:er)?\\b",                                          /* (isbot) */
    "collapsify",                                               /* (isbot) */
    "download",                                                 /* (isbot) */
    "favicon",
    "feed",                                                     /* (isbot) */
    "fetch",
    "grab",                                                     /* (isbot) */
    "insights?\\b",
    "inspect",                                                  /* (isbot) */
    "lighthouse",
    "monitor",
    "news(?:now|ai)",
    "optimi[sz]er",
    "parser",                                                   /* (isbot) */
    "productfinder",                                            /* (isbot) */
    "linkfinder",
    "proxy",                                                    /* (isbot) */
    "synthetic",                                                /* (isbot) */
    "validator",                                                /* (isbot) */
    "verif(?:y|ier)",
    "cypress/",                                                 /* (isbot) */
    "phantomjs",                                                /* (isbot) */
    "playwright",                                               /* (isbot) */
    "puppeteer",
    "selenium",                                                 /* (isbot) */
    "webdriver",
    "testlocally",                                              /* (isbot) */
    "dareboost",                                                /* (isbot) */
    "gtmetrix",
    "pingdom",                                                  /* (isbot) */
    "ptst[ /]\\d",                                              /* (isbot) */
    "rigor\\)",
    "ylt chrome",
    "hotjar",                                                   /* (isbot) */
    "linktiger",                                                /* (isbot) */
    "silktide",                                                 /* (isbot) */
    "datanyze",                                                 /* (isbot) */
    "-google\\b",
    "-user/",
    NULL
};


static const struct {
    const char *const  *list;
    referral_agent_t    verdict;
} referral_agents_lists[REFERRAL_LISTS] = {
    { referral_agents_browser, REFERRAL_AGENT_BROWSER },
    { referral_agents_human, REFERRAL_AGENT_BROWSER },
    { referral_agents_preview, REFERRAL_AGENT_PREVIEW },
    { referral_agents_scanner, REFERRAL_AGENT_SCANNER },
    { referral_agents_crawler, REFERRAL_AGENT_CRAWLER }
};


#endif /* REFERRAL_AGENTS_LIST_H */
