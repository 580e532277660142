// The page to share from of t/web_share.t.

import {
    becomes, devices, finish, given, is, like, ok, visitor,
} from './harness.mjs';

const { link } = given;
const phone = devices['iPhone 13'];
const TARGETS = ['wa.me', 't.me', 'mailto:', 'sms:', 'x.com', 'facebook.com',
    'linkedin.com'];

async function open(options = {}) {
    const v = await visitor({ ...phone, ...options });

    await v.page.goto(given.url, { waitUntil: 'networkidle' });
    return v;
}

const links = (v) => v.page.locator('nav a').evaluateAll(
    (all) => all.map((a) => a.href));


async function looks() {
    for (const colorScheme of ['light', 'dark']) {
        const v = await open({ colorScheme });

        is(await v.page.locator('#link').inputValue(), link,
            `${colorScheme}: the link`);
        ok(await v.page.evaluate(() => document.documentElement.scrollWidth
            <= screen.width), `${colorScheme}: nothing is wider than a phone`);
        ok(await v.page.locator('#link').evaluate((field) => field.scrollWidth
            <= field.clientWidth), `${colorScheme}: the link is seen whole`);
        ok(await v.page.locator('figure img').evaluate(
            (img) => img.complete && img.naturalWidth > 100),
        `${colorScheme}: the QR code is there`);
        await v.accessible(colorScheme);
        await v.page.screenshot({ fullPage: true,
            path: `${given.shots}/share-${colorScheme}.png` });
        await v.quiet(colorScheme);
        await v.close();
    }

    const small = { width: 320, height: 568 };
    const v = await open({ viewport: small, screen: small });
    ok(await v.page.evaluate(() => document.documentElement.scrollWidth
        <= screen.width), 'nor than a small one');
    await v.close();
}


async function targets(v, without = '') {
    const all = await links(v);

    is(all.map((url) => TARGETS.find((t) => url.includes(t))), TARGETS,
        `where to send it${without}`);

    for (const [i, channel] of ['wa', 'tg', 'mail', 'sms', 'x', 'fb', 'in']
        .entries()) {
        ok(decodeURIComponent(all[i]).includes(`${link}/${channel}`),
            `with the channel ${channel}${without}`, all[i]);
    }

    ok(await v.page.locator('nav a').evaluateAll((tags) => tags.every(
        (a) => a.protocol === 'mailto:' || a.protocol === 'sms:'
            || /noopener|noreferrer/.test(a.rel) || !a.target)),
    `and nothing told to who is not chosen${without}`);
}


const said = (v) => v.page.locator('button + [role=status]').allInnerTexts();

async function copying() {
    const v = await open({
        permissions: ['clipboard-read', 'clipboard-write'],
    });
    const clipboard = () => v.page.evaluate(
        () => navigator.clipboard.readText());

    await targets(v);
    await v.page.locator('[aria-describedby=link]').tap();
    await becomes(clipboard, `${link}/copy`, 'the link is copied');
    await becomes(() => said(v), ['Copied', ''], 'and that is said');
    await v.page.locator('[aria-describedby=message]').tap();
    await becomes(clipboard, `From Anna: 10% off & more at ${link}/copy`,
        'the message is copied');
    await becomes(() => said(v), ['', 'Copied'], 'each beside its button');
    await v.accessible('after a copy');
    await v.quiet('copying');
    await v.close();
}

// A browser with a sheet of its own, and one without.

async function sheet() {
    const v = await visitor(phone);

    await v.context.addInitScript(() => {
        navigator.share = async (what) => { window.shared = what; };
    });
    await v.page.goto(given.url);
    await v.page.locator('[data-share]').tap();
    like(JSON.stringify(await v.page.evaluate(() => window.shared)),
        new RegExp(`From Anna: .*${link}/share`), 'the sheet of the phone');
    await v.quiet('sharing');
    await v.close();

    const other = await visitor(phone);
    await other.context.addInitScript(() => {
        Object.defineProperty(navigator, 'share', { value: undefined });
    });
    await other.page.goto(given.url);
    ok(await other.page.locator('[data-share]').isHidden(),
        'which is not offered where there is none');
    await other.close();
}


async function languages() {
    const says = async (locale) => {
        const v = await open({ locale });
        const page = await v.page.evaluate(() => [document.documentElement.lang,
            document.getElementById('message').value,
            document.body.innerText]);

        await v.accessible(locale);
        await v.quiet(locale);
        await v.close();
        return page;
    };

    const [lang, message, body] = await says('de-AT');
    like(message, /^Von Anna: 10% Rabatt für dich/, 'German: the message');
    like(body, /Ich bekomme dafür eine Prämie\./, 'German: what I get');
    ok(lang.startsWith('de') || lang === 'en', 'a language of the page', lang);

    like((await says('fr-FR'))[1], /^From Anna: 10% off & more/,
        'French: the default');

    const v = await open({ locale: 'ar-EG' });
    is(await v.page.locator('#message').evaluate(
        (e) => getComputedStyle(e).unicodeBidi !== 'isolate-override'
            && e.matches(':dir(ltr)') === /^[A-Za-z]/.test(e.value)), true,
    'Arabic: its direction is that of the text');
    await v.accessible('ar');
    await v.close();
}


async function bare() {
    const v = await open({ javaScriptEnabled: false });

    is(await v.page.locator('#link').inputValue(), link, 'no JavaScript: link');
    await targets(v, ', no JavaScript');
    is(await v.page.locator('button:visible').count(), 0,
        'and no button that would do nothing');
    ok(await v.page.locator('figure img').isVisible(), 'the QR code');
    await v.close();
}


async function hostile() {
    const v = await visitor(phone);

    for (const [n, name] of given.names.entries()) {
        await v.page.goto(new URL(`N${n}`, given.url).href);

        const text = await v.page.evaluate(() => [window.hacked ?? null,
            document.querySelectorAll('main script, iframe, base, style, form, '
                + 'img[src=x], svg, [onload], [onfocus], [onmouseover]').length,
            document.getElementById('message').value]);

        is(text, [null, 0, `From ${name}: 10% off & more at https://shop`
            + `.example/r/N${n}`], `the name ${name} is text`);
    }

    await v.quiet('names');

    await v.page.goto(new URL('NOBODY', given.url).href);
    v.expect(/ 404 /);
    await v.quiet('no such code');
    await v.close();
}


await looks();
await copying();
await sheet();
await languages();
await bare();
await hostile();
await finish();
