// Pages with one fault each, for t/web_harness.t: each has to be noticed.

import { finish, given, is, like, visitor } from './harness.mjs';

async function noticed(name, pattern) {
    const v = await visitor();
    await v.page.goto(new URL(name, given.url).href);
    await v.page.waitForSelector('#end', { state: 'attached' });
    await v.page.waitForTimeout(200);
    like(v.complaints.join('\n'), pattern, `${name} is noticed`);
    await v.close();
}

const v = await visitor({ moved: true });
await v.page.goto(new URL('good', given.url).href);
await v.quiet('a good page');
await v.accessible('a good page');
is([v.requests, v.moved > 400 && v.moved < 1000], [1, true],
    'what it moved is known');
await v.page.goto(new URL('barrier', given.url).href);
is((await v.barriers()).map((b) => b.split(':')[0]).sort(),
    ['button-name', 'color-contrast', 'html-has-lang'], 'so is what keeps out');
await v.close();

await noticed('inline', /CSP violation: script-src-elem inline/);
await noticed('style', /CSP violation: style-src-attr inline/);
await noticed('off', /a request to http:\/\/localhost:1\/x.png/);
await noticed('error', /^console: that went wrong/);
await noticed('thrown', /^error: Error: nobody catches this/);
await noticed('missing', /^console: .* 404 /);
await finish();
