/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The built-in user agents, as parts of case-insensitive regexes.  Words for
 * a kind of software are better than names of a product, which age.  A part
 * begins with a lower-case letter where it can, which is not quantified, and
 * has no "|" outside of parentheses.  What is marked (isbot) is from isbot's
 * patterns of 2026-07, which are in the public domain (Unlicense).
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


/*
 * How a browser introduces itself: by its engine, or, where it is older than
 * that custom, by its name or the phone's.  What has none of these is software
 * that somebody wrote for himself.
 */

static const char *const  referral_agents_browser[] = {
    "webkit",
    "khtml",
    "gecko/",
    "trident/",
    "msie ?\\d",
    "presto/",
    "goanna/",
    "firefox/\\d",
    "konqueror",
    "netscape",
    "opera",
    "midp",
    "netfront",
    "obigo",
    "teleca",
    "openwave",
    "up\\.(?:browser|link)",
    "uc ?browser",
    "ucweb",
    "juc ?\\(",
    "nokia",
    "blackberry",
    "symbian",
    "palm(?:os|source)",
    "windows (?:ce|phone|mobile)",
    "docomo/",
    "kddi-",
    "jig browser",
    "mqqbrowser",
    "ave-?front",
    "maui",
    "wap[ -_]?browser",
    "smart-?tv",
    "kreatv",
    "cobalt/",
    "ladybird/",
    "j-phone/",
    "softbank/",
    "vodafone/",
    "willcom",
    "playstation",
    "nintendo",
    "hbbtv",
    "amiga",
    "icab",
    "omniweb",
    "mosaic",
    "foma;",
    "onebrowser",
    "android;?[ /]\\d",
    "i(?:phone|pad|pod)",
    "dalvik",
    "cfnetwork",
    "^(?:alcatel|htc|huawei|lenovo|lg|micromax|mot-|philips|sagem|samsung|sec-"
        "|sharp|sie-|sonyericsson|zte)",
    "^mozilla/[0-4]\\.\\w+ ?(?:\\[|[\\w-]* ?\\((?:win|x11|mac|os/2))",
    "^(?:lynx/|e?links[ /(]|w3m/|dillo/|netsurf/|\\[fban/)",
    NULL
};


/* Browsers in apps, and phones, with names that the lists below may hit. */

static const char *const  referral_agents_human[] = {
    "fba[nv]/",
    "fb_iab/",
    "instagram \\d",
    "linkedinapp\\b",
    "pinterest/(?:ios|android)",
    " snapchat/\\d",
    " line/\\d",
    "viber/\\d",
    "micromessenger/\\d",
    "kakaotalk \\d",
    "gsa/\\d",
    "slack_ssb/",
    "qtweb internet",
    "; spider \\d\\)",
    "; \\w{1,5}[ _]bot[ _](?:\\d|tab|build)",
    NULL
};


/* What fetches a page to show what a link is about. */

static const char *const  referral_agents_preview[] = {
    "preview",
    "shar(?:e|ing)(?:sheet|ui|extension)",
    "googlemessages",
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
    "security(?!pay|installed)",
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
    "\\$\\{",
    "<(?:!|script)",
    "/etc/passwd",
    "sleep\\(",
    "assetnote",
    "abuse",                                                    /* (isbot) */
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
    "\\.com\\b(?!\\.)",
    "compatible; (?!msie |konqueror/|u;|windows|linux|amiga|ibrowse|mc680"
        "|origyn|polaris)",
    "archiv",
    "agent\\b",                                                 /* (isbot) */
    "audit",                                                    /* (isbot) */
    "analy[sz]er",
    "check(?:er)?\\b",                                          /* (isbot) */
    "collapsify",                                               /* (isbot) */
    "download(?<!qqdownload)",                                  /* (isbot) */
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
    "proxy(?<!wap proxy)(?!less|fox|; android)",
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
    "ptst[ /]",
    "rigor\\)",
    "hotjar",                                                   /* (isbot) */
    "linktiger",                                                /* (isbot) */
    "silktide",                                                 /* (isbot) */
    "datanyze",                                                 /* (isbot) */
    "okhttp",
    "python",
    "curl",                                                     /* (isbot) */
    "wget",                                                     /* (isbot) */
    "libwww(?!-fm)",
    "perl(?<!\\wperl)\\b",
    "ruby(?<!\\wruby)(?:/|$)",
    "axios",
    "alamofire",
    "guzzle",
    "^(?:<|anonym|ddg[_-]android|downcast/|duckduckgo|go-|java|naver|php"
        "|ps_daily|snapchat|swcd|thumbor|zdm/)",
    "gecko[;,] ?(?:mozilla/5\\.0, )?google",
    "google[ -](?:ads|adw|ass|biz|bus|keyw|page|pp |pub|safety|sea|site|web"
        "|wire)",
    "javafx/",
    "netnewswire",
    "quiterss",
    "reeder(?:/|for)",
    "rss\\b",                                                   /* (isbot) */
    "neustar",                                                  /* (isbot) */
    "catchpoint",
    "iplabel",                                                  /* (isbot) */
    "statuscake",                                               /* (isbot) */
    "debugbear",
    "site24x7",
    "splash version",
    "wkhtmlto",
    "webkit2png",                                               /* (isbot) */
    "screenshot",
    "screenie",
    "thumb(?:nail|s?/)",
    "webthumb",
    "websnapr",
    "webglance",                                                /* (isbot) */
    "imgsizer",
    "capture\\.net",
    "kimonolabs",
    "jsdom",
    "snapsearch",
    "transcoder",                                               /* (isbot) */
    "dmbrowser",                                                /* (isbot) */
    "mixnode",                                                  /* (isbot) */
    "miniature\\.io",
    "marketgoo",                                                /* (isbot) */
    "dejaclick",                                                /* (isbot) */
    "observatory",
    "diagnostics/",
    "bluecoat",                                                 /* (isbot) */
    "widget server",
    "hubspot",                                                  /* (isbot) */
    "convertify",                                               /* (isbot) */
    "sparkler/",                                                /* (isbot) */
    "classifier",                                               /* (isbot) */
    "prospectingstudio",                                        /* (isbot) */
    "functionize",                                              /* (isbot) */
    "devin/",
    "cursor/",                                                  /* (isbot) */
    "ylt chrome",
    "botbox",
    "newsblur",
    "readkit",
    "akregator",
    "extractor",
    "tester\\b",                                                /* (isbot) */
    "ms-office",
    "googleweblight",
    "ghost inspector",
    "nutch",                                                    /* (isbot) */
    "advisor\\b",                                               /* (isbot) */
    "criteo",
    "yandex\\.translate",
    "onetrust",
    "daum/",
    "claude-",
    "captivenetwork",
    "seolizer",
    "web services client",
    "nodemeter",
    "network ?measurement",
    "sindup/",                                                  /* (isbot) */
    "readable/",                                                /* (isbot) */
    "dlc/\\d",                                                  /* (isbot) */
    "time/\\d{9}",                                              /* (isbot) */
    "mappercmd",
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
