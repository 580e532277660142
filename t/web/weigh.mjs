// What a dashboard costs: time until it can be used, with nothing in a cache;
// until the codes with most clicks are there, which are counted apart; bytes
// that came over the wire.  For t/bench/dashboard and t/web_weight.t.

import { figures, finish, given, is, visitor } from './harness.mjs';

// Milliseconds from the start of a navigation, or of a step in the page, until
// main has its data and was painted.

function clock() {
    const done = () => requestAnimationFrame(() => setTimeout(() => {
        window.usable ??= performance.now();
    }));

    new MutationObserver(() => {
        const main = document.getElementById('main');
        if (main?.checkVisibility() && main.ariaBusy === 'false') done();
    }).observe(document, { subtree: true, childList: true, attributes: true });
}

async function open(v, name, hash) {
    v.moved = v.requests = 0;
    await v.page.goto('about:blank');
    await v.page.goto(given.url + hash, { waitUntil: 'commit' });
    await v.page.waitForFunction(() => window.usable);
    const all = await v.page.waitForFunction(() => !document.querySelector(
        '#codes[aria-busy=true]')?.checkVisibility() && performance.now());
    await v.page.waitForLoadState('networkidle');

    const [usable, paint, asked] = await v.page.evaluate(() => [window.usable,
        performance.getEntriesByName('first-contentful-paint')[0]?.startTime,
        performance.getEntriesByType('resource').map((r) => [r.name,
            Math.round(r.responseEnd - r.requestStart),
            r.encodedBodySize])]);

    figures({ name, usable, paint, all: await all.jsonValue(),
        moved: v.moved, requests: v.requests,
        asked: asked.map(([url, ...rest]) => [url.replace(given.url, ''),
            ...rest]) });
}

const v = await visitor({ moved: true,
    viewport: { width: 1280, height: 900 } });

v.origins.add('null');
await v.context.addInitScript(clock);
await v.wire.send('Network.setCacheDisabled', { cacheDisabled: true });
await v.page.goto(given.url);
await v.page.getByLabel('Access token').fill(given.token);
await v.page.getByRole('button', { name: 'Open the dashboard' }).click();
await v.page.waitForFunction(() => window.usable);

for (let i = 0; i < given.rounds; i++) {
    for (const [name, hash] of given.views) {
        await open(v, name, hash);
    }
}

// What looking again costs while nothing happens.

if (given.idle) {
    await v.page.waitForTimeout(1000);
    v.moved = v.requests = 0;
    await v.page.waitForTimeout(given.idle * 1000);
    figures({ name: 'open', seconds: given.idle, moved: v.moved,
        requests: v.requests });
}

await v.quiet('a year of data');
await finish();
