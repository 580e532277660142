/* Copyright (C) the ngx_http_referral_module authors */

/*
 * Where a browser would go: for each line ["location", ["page", ...]] of
 * standard input, a line with the origin and the path for each page, as the
 * WHATWG URL parser has them.
 */

'use strict';

const lines = require('fs').readFileSync(0, 'utf8').split('\n');

function where(location, page) {
    try {
        const url = new URL(location, page);
        const origin = url.origin === 'null' ? url.protocol : url.origin;
        return [origin, url.pathname];

    } catch (e) {
        return ['invalid', ''];
    }
}

for (const line of lines.filter((l) => l.length)) {
    const [location, pages] = JSON.parse(line);
    console.log(JSON.stringify(pages.map((page) => where(location, page))));
}
