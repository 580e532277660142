// The page of a referrer of t/web_progress.t.

import {
    becomes, devices, finish, given, is, like, ok, soon, visitor,
} from './harness.mjs';

const { token } = given;

async function settled(where) {
    await where.locator('#main[aria-busy="false"]').waitFor();
}

const figures = (where) => where.locator('#figures [data-figure]').evaluateAll(
    (all) => Object.fromEntries(all.map((e) => [e.dataset.figure,
        Number(e.querySelector('dd').innerText)])));


// Everything there is, and nothing of a friend.

async function shows(where, name) {
    is(await figures(where), { clicks: 4, unique: 1, signup: 1, purchase: 1,
        lease: 1, points: 16 }, `${name}: figures`);
    is(await where.locator('#link').inputValue(), given.link, `${name}: link`);
    is(await where.locator('#ladder li').evaluateAll((all) => all.map(
        (li) => li.dataset.reached)), ['true', 'false'], `${name}: tiers`);
    like(await where.locator('#level').innerText(), /84/,
        `${name}: how far it is to the next`);
    is((await where.locator('#rewards li').evaluateAll((all) => all.map(
        (li) => li.dataset.state))).sort(), ['approved', 'held', 'pending'],
    `${name}: rewards`);
    is((await where.locator('#rewards .what').allInnerTexts()).sort(),
        ['<b>a mug</b>', '€1.00', '€4.99'], `${name}: what they are`);
    is((await where.locator('#rewards .hint').allInnerTexts()).map(
        (text) => text.split(':')[0]).sort(), ['Cash', 'Cash', 'Mug'],
    `${name}: and what they are called`);

    const all = await where.locator('html').evaluate((e) => e.outerHTML);
    is(given.secret.filter((word) => all.includes(word)), [],
        `${name}: nothing of a friend`);
}

async function alone() {
    for (const [name, options] of [['light', {}],
        ['dark', { colorScheme: 'dark' }], ['phone', devices['iPhone 13']]]) {
        const v = await visitor(options);

        await v.page.goto(`${given.url}#${token.good}`);
        await settled(v.page);
        await shows(v.page, name);
        ok(!v.page.url().includes(token.good), `${name}: the token is not left `
            + 'in the address');
        ok(await v.page.evaluate(() => document.documentElement.scrollWidth
            <= screen.width), `${name}: nothing is wider`);
        await v.accessible(name);
        await v.quiet(name);
        await v.close();
    }
}


// The frame of a shop's page, and what the page may do with it.

async function framed(shop, page = 'mine') {
    const v = await visitor();

    await v.page.goto(`${shop}${page}.html`, { waitUntil: 'networkidle' });
    return { v, frame: v.page.frames()[1] };
}

async function inShop() {
    const { v, frame } = await framed(given.shop);

    await settled(frame);
    await shows(frame, 'in the shop');
    await v.accessible('in the shop', frame);
    is(await v.page.evaluate(() => {
        try {
            return document.querySelector('iframe').contentDocument;
        } catch {
            return null;
        }
    }), null, 'the shop does not look into it');

    await frame.locator('#copy').click();
    await becomes(() => frame.getByRole('status').innerText().then(Boolean),
        true, 'copying says what happened');
    ok(await frame.locator('#link').evaluate((e) => document.activeElement === e
        ? e.selectionEnd - e.selectionStart === e.value.length : true),
    'and marks the link where it could not');
    await v.quiet('in the shop');
    await v.close();
}

async function elsewhere() {
    for (const [shop, page, name] of [[given.other, 'mine', 'another origin'],
        [given.shop, 'closed', 'no origin is allowed']]) {
        const { v, frame } = await framed(shop, page);

        await soon(() => v.complaints.length);
        is(await frame.locator('#main').count(), 0, `${name}: no frame`);
        v.expect(/frame-ancestors|X-Frame-Options/i);
        await v.quiet(name);
        await v.close();
    }
}


async function closed() {
    for (const [name, given_, words, status] of [
        ['expired', token.expired, /open it again/i, 401],
        ['forged', token.forged, /open it again/i, 401],
        ['ended', token.ended, /ended/i, 404],
        ['none', '', /open it again/i, 0]]) {
        const v = await visitor();

        await v.page.goto(`${given.url}#${given_}`);
        await settled(v.page);
        ok(await v.page.locator('#progress').isHidden(), `${name}: nothing`);
        like(await v.page.getByRole('alert').innerText(), words,
            `${name}: what to do`);
        await v.accessible(name);
        if (status) v.expect(new RegExp(` ${status} `));
        await v.quiet(name);
        await v.close();
    }
}

// nginx does not answer: again.

async function later() {
    const v = await visitor();

    await v.page.route('**/data', (route) => route.abort());
    await v.page.goto(`${given.url}#${token.good}`);
    await settled(v.page);
    like(await v.page.getByRole('alert').innerText(), /try again/i,
        'no answer: that is said');
    await v.page.unroute('**/data');
    await v.page.getByRole('button', { name: 'Try again' }).click();
    await v.page.locator('#progress').waitFor();
    await shows(v.page, 'again');
    v.expect(/ERR_FAILED/);
    await v.quiet('again');

    await v.page.reload();
    await settled(v.page);
    await shows(v.page, 'a reload');
    await v.close();
}


// Another token that is none takes away what was shown.

async function garbage() {
    const v = await visitor();

    await v.page.goto(`${given.url}#${token.good}`);
    await settled(v.page);
    like(await v.page.locator('#title').innerText(), /Anna/, 'a name');
    await v.page.goto(`${given.url}#garbage`);
    await v.page.getByRole('alert').waitFor();
    is([await v.page.title(), await v.page.locator('#title').innerText()],
        Array(2).fill('Your referrals'), 'garbage: no name is left');
    v.expect(/ 401 /);
    await v.quiet('garbage');
    await v.close();
}

async function hostile() {
    const v = await visitor();

    for (const [name, session] of given.names) {
        await v.page.goto('about:blank');
        await v.page.goto(`${given.url}#${session}`);
        await settled(v.page);

        const [hacked, extra, title] = await v.page.evaluate(() => [
            window.hacked ?? null, document.querySelectorAll('main script, '
                + 'iframe, base, style, form, img, svg, [onload], [onfocus]')
                .length, document.getElementById('title').textContent]);

        is([hacked, extra, title.includes(name)], [null, 0, true],
            `the name ${name} is text`);
    }

    await v.quiet('names');
    await v.close();
}


await alone();
await inShop();
await elsewhere();
await closed();
await later();
await garbage();
await hostile();
await finish();
