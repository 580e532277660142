// The dashboard of t/web_dashboard.t, whose numbers are known.

import {
    api, becomes, click, devices, finish, given, is, like, note, ok, soon,
    visitor,
} from './harness.mjs';

const { want } = given;
const count = (n) => n.toLocaleString('en-GB');


// ----------------------------------------------------------------- the page --

// Opens it, with a token when one is given, and waits for all of it.

async function dashboard(token, { url = given.url, ...options } = {}) {
    const v = await visitor({ viewport: { width: 1280, height: 900 },
        ...options });

    await v.page.goto(url);
    if (token) await enter(v, token);
    return v;
}

async function enter(v, token) {
    await v.page.getByLabel('Access token').fill(token);
    await v.page.getByRole('button', { name: 'Open the dashboard' }).click();
    await settled(v);
}

async function settled(v) {
    await v.page.locator('#main[aria-busy="false"]').waitFor();
}

const text = (v, css) => v.page.locator(css).innerText();
const texts = (v, css) => v.page.locator(css).allInnerTexts();
const hash = (v) => new URL(v.page.url()).hash;

const cells = (v, css) => v.page.locator(css).evaluateAll((rows) => rows.map(
    (row) => [...row.cells].map((cell) => cell.innerText.trim())));


// ---------------------------------------------------------------- signing --

async function signing() {
    const v = await dashboard();
    const field = v.page.getByLabel('Access token');

    await field.waitFor();
    ok(await v.page.locator('#page').isHidden(), 'nothing without a token');
    await v.accessible('token entry');
    await v.quiet('asking for a token');

    await field.fill('wrong');
    await field.press('Enter');
    await becomes(() => v.page.getByRole('alert').filter({ hasText: /token/ })
        .count(), 1, 'a wrong token is told');
    await v.accessible('a wrong token');
    v.expect(/ 401 /);
    await v.quiet('a wrong token');

    await enter(v, given.token.read);
    is(await stored(v), [0, 1, 0, false], 'a right one is for this tab');
    await v.page.reload();
    await settled(v);
    ok(await field.isHidden(), 'and entered once');

    await v.page.getByRole('button', { name: 'Forget token' }).click();
    await field.waitFor();
    is(await stored(v), [0, 0, 0, false], 'until it is forgotten');
    ok(await v.page.locator('#page').isHidden(), 'with what it showed');
    await v.page.reload();
    await field.waitFor();
    await v.quiet('forgetting it');
    await v.close();
}

async function stored(v) {
    const kept = await v.page.evaluate(
        () => [localStorage.length, sessionStorage.length]);
    const cookies = await v.context.cookies();
    return [...kept, cookies.length, v.page.url().includes(given.token.read)];
}


// ---------------------------------------------------------------- numbers --

async function tiles(v, { now, before }, name) {
    const of = (part) => Promise.all(['clicks', 'signup', 'purchase'].map(
        async (tile) => (await text(v, `#tile-${tile} .${part}`))
            .match(/[\d,]+/)?.[0]));

    is(await of('value'), [now.human, now.signup, now.purchase].map(count),
        `${name}: figures`);
    is(await of('before'), [before.human, before.signup, before.purchase]
        .map(count), `${name}: and those before`);
    is(await texts(v, '#tile-amount .value'), Object.entries(now.net).sort()
        .map(([currency, amount]) => money(amount, currency)),
    `${name}: amounts`);
    is(await text(v, '#tile-rate .value'), `${
        (now.purchase / now.human * 100).toLocaleString('en-GB',
            { maximumFractionDigits: 1 })}\u202f%`, `${name}: conversion rate`);
}

function money(amount, currency) {
    const { maximumFractionDigits } = new Intl.NumberFormat('en-GB',
        { style: 'currency', currency }).resolvedOptions();

    return (amount / 10 ** maximumFractionDigits).toLocaleString('en-GB',
        { style: 'currency', currency });
}

// What a table shows, numbers as numbers.

const rows = async (v, css) => (await cells(v, `${css} tbody tr`)).map(
    (row) => row.map((cell) => (/^[\d,]+$/.test(cell)
        ? Number(cell.replace(',', '')) : cell)));

async function numbers(v) {
    await tiles(v, want['7d'], '7d');
    like(await text(v, '#tile-clicks'),
        new RegExp(`\\b${count(want['7d'].now.excluded)} excluded`),
        'excluded');

    await v.page.locator('#clicks-table summary').click();
    is(await rows(v, '#clicks-table'), want.days, 'each day');
    like(await v.page.locator('#clicks-chart').getAttribute('aria-label'),
        new RegExp(`\\b${count(want['7d'].now.human)} human`),
        'the chart in words');
    ok(await v.page.locator('#clicks-chart canvas').isVisible(), 'the chart');

    await v.page.locator('#events summary').click();
    is((await rows(v, '#events')).sort(), want.events, 'events');
    is(await rows(v, '#channels'), want.channels, 'channels');
    await v.page.locator('#codes[aria-busy="false"]').waitFor();
    is(await rows(v, '#codes'), want.codes, 'codes');
    is((await rows(v, '#leaders-table')).map(([rank, code, points, next]) => [
        rank, String(code).split('\n')[0], points,
        typeof next === 'number' ? next : null]), want.leaders, 'leaders');
    is(await v.page.locator('#health-status').getAttribute('data-state'), 'ok',
        'health');
}


// ---------------------------------------------------------------- filters --

async function filters(v) {
    await v.page.getByLabel('Period', { exact: true }).selectOption('28d');
    await becomes(() => hash(v), '#period=28d', 'the period is in the URL');
    await settled(v);

    await v.page.getByLabel('Code', { exact: true }).fill('ANNA');
    await v.page.getByLabel('Code', { exact: true }).press('Enter');
    await becomes(() => hash(v), '#period=28d&code=ANNA', 'so is the code');
    await settled(v);
    await soon(async () => await text(v, '#tile-clicks .value')
        === count(want['28d'].now.human));
    await tiles(v, want['28d'], '28d of ANNA');

    await v.page.reload();
    await settled(v);
    await tiles(v, want['28d'], 'the same after a reload');
    ok(!/\d/.test(await text(v, '#reward-state')), 'no count of other rewards');

    await v.page.goBack();
    await becomes(() => hash(v), '#period=28d', 'back to all codes');
    await v.page.goBack();
    await becomes(() => hash(v), '', 'and to this week');
    await soon(async () => await text(v, '#tile-clicks .value')
        === count(want['7d'].now.human));
    await tiles(v, want['7d'], '7d again');

    const days = `${want['14d'].from}..${given.today}`;
    await v.page.goto(`${given.url}#period=${days}`);
    await soon(async () => await text(v, '#tile-clicks .value')
        === count(want['14d'].now.human));
    await tiles(v, want['14d'], 'any days');

    await v.page.goto(`${given.url}#board=autumn`);
    await becomes(() => hash(v), '', 'a contest that is gone is left out');
    await soon(async () => /autumn/.test(await text(v, '#leaders-note')));
    like(await text(v, '#leaders-note'), /no contest autumn any more/,
        'which is said');
    is(await v.page.locator('#leaders-table tbody tr').count(),
        want.leaders.length, 'this month instead');

    await v.page.goto(`${given.url}#code=NOBODY`);
    await becomes(() => v.page.getByText(/NOBODY|no such code|not found/i)
        .count().then((n) => n > 0), true, 'a code that there is not');
    v.expect(/ 404 /);
    await v.page.goto(given.url);
    await settled(v);
}


// ------------------------------------------------------------------ looks --

async function looks() {
    const dark = await dashboard(given.token.write, { colorScheme: 'dark' });
    is(await dark.page.evaluate(() => {
        const rgb = getComputedStyle(document.documentElement).backgroundColor;
        const body = getComputedStyle(document.body).backgroundColor;
        return [rgb, body].some((c) => {
            const [r, g, b, a = 1] = c.match(/[\d.]+/g).map(Number);
            return a > 0 && r + g + b < 200;
        });
    }), true, 'dark');
    await dark.accessible('dark');
    await dark.quiet('dark');
    await dark.close();

    const phone = await dashboard(given.token.write, devices['iPhone 13']);
    ok(await phone.page.evaluate(() => document.documentElement.scrollWidth
        <= screen.width), 'a phone: nothing is wider than it');
    await phone.accessible('a phone');
    await press(phone, 'Void order own-3');
    await phone.accessible('a question on a phone');
    const [yes, no] = await Promise.all(['confirm', 'keep'].map((action) =>
        phone.page.locator(`[data-order=own-3] [data-action=${action}]`)
            .boundingBox()));
    ok(no.x - yes.x - yes.width >= 16 || no.y - yes.y - yes.height >= 16,
        'the buttons have a distance', JSON.stringify([yes, no]));
    await phone.quiet('a phone');
    await phone.close();
}


// --------------------------------------------------------------- deciding --

const state = async (id) => (await api('GET', `v1/rewards/${id}`)).state;
const status = async (id) => (await api('GET', `v1/conversions/${id}`)).status;

async function press(v, name) {
    await v.page.getByRole('button', { name, exact: true }).click();
}

const focused = (v) => v.page.evaluate(
    () => document.activeElement.getAttribute('aria-label'));

// Whether a click would do something, the moment the list is another.

const pressable = (v) => v.page.evaluate(() => new Promise((done) => {
    new MutationObserver((_, observer) => {
        const button = document.querySelector('#rewards [data-action=claim]');
        observer.disconnect();
        button.scrollIntoView({ block: 'center' });
        const { x, y, width, height } = button.getBoundingClientRect();
        const hit = document.elementFromPoint(x + width / 2, y + height / 2);
        done(hit.closest('button') !== null);
    }).observe(document.getElementById('rewards'), { childList: true });
}));

async function waits(v) {
    is(await v.page.locator('#summary + #waiting').count(), 1,
        'what waits comes behind the figures');
    await v.page.getByRole('link', { name: 'Rewards due' }).click();
    is(await v.page.evaluate(() => document.activeElement.id), 'rewards-title',
        'where the tile leads');
    await v.page.locator('#tile-purchase a').click();
    is(await v.page.evaluate(() => document.activeElement.id), 'held-title',
        'and that of held orders');
    is(hash(v), '', 'with the filters as they were');
}

// Whoever else decides, the rows move.

async function others(v) {
    const [gone] = await rewards(v, 'approved');
    const [can] = await Promise.all([pressable(v),
        api('POST', `v1/rewards/${gone}/claim`)]);

    is(can, false, 'a list that has moved rests');
    await soon(() => v.page.locator('#waiting:not([data-rests])').count());
}

// A second click on Approve is none on the row below.

async function twice(v, first, second) {
    const row = v.page.locator(`#rewards [data-reward="${first}"]`);
    const below = v.page.locator(`#rewards [data-reward="${second}"]`);
    const distance = async () => (await below.boundingBox()).y
        - (await row.boundingBox()).y;
    const before = await distance();

    await v.page.getByRole('button', { name: `Approve reward ${first}` })
        .dblclick();
    await becomes(() => row.locator('.actions').innerText(), 'Approved',
        'the row says what happened');
    is(await distance(), before, 'and nothing moves');
    await becomes(() => state(first), 'approved', 'a reward is approved');
    is(await state(second), 'pending', 'and no other');
}

// The answer does not come back.

async function lost(v, order) {
    await v.page.route('**/approve', async (route) => {
        await route.fetch();
        await route.abort();
    });
    await press(v, `Approve order ${order}`);
    await soon(async () => await text(v, '#alert'));
    like(await text(v, '#alert'),
        new RegExp(`not known whether order ${order} was approved`),
        'a lost answer is none');
    await becomes(() => v.page.locator('#held > li').count(), 2,
        'and the page looks again');
    await v.page.unroute('**/approve');
    v.expect(/ERR_FAILED/);
}

async function voiding(v, order) {
    await press(v, `Void order ${order}`);
    await becomes(() => focused(v), `Keep order ${order}`, 'void asks first');
    await v.accessible('a question');
    await v.page.keyboard.press('Escape');
    await becomes(() => focused(v), `Void order ${order}`, 'Escape keeps');
    await press(v, `Void order ${order}`);
    await press(v, `Keep order ${order}`);
    is(await status(order), 'held', 'nothing has happened');
    await press(v, `Void order ${order}`);
    await press(v, `Void for good: order ${order}`);
    await becomes(() => status(order), 'rejected', 'until that is meant');
}

async function rewards(v, want) {
    await v.page.locator('#reward-state').selectOption(want);
    await settled(v);
    await v.page.locator('#rewards > li').first().waitFor();
    return v.page.locator('#rewards > li').evaluateAll(
        (all) => all.map((li) => li.dataset.reward));
}

async function deciding(v) {
    await waits(v);
    await others(v);
    const [claimed] = await rewards(v, 'approved');
    await press(v, `Mark as claimed: reward ${claimed}`);
    await becomes(() => state(claimed), 'claimed', 'a reward is handed out');
    await becomes(() => v.page.locator(`#rewards [data-reward="${claimed}"]`)
        .count(), 0, 'and waits no more');
    like(await text(v, '#notice'), new RegExp(`${claimed}|claimed`, 'i'),
        'which is said');

    await soon(() => v.page.locator('#reward-state').isVisible());
    const [approved, voided] = await rewards(v, 'pending');
    await twice(v, approved, voided);
    await becomes(() => v.page.locator(`#rewards [data-reward="${approved}"]`)
        .count(), 0, 'and leaves the list');
    await press(v, `Void reward ${voided}`);
    await press(v, `Void for good: reward ${voided}`);
    await becomes(() => state(voided), 'void', 'another is voided');

    is(await v.page.locator('#held > li').evaluateAll(
        (all) => all.map((li) => li.dataset.order)),
    ['own-1', 'own-2', 'own-3'], 'orders that are held');
    like(await text(v, '#held li[data-order=own-1]'), /owns the code/,
        'with the reason');
    await lost(v, 'own-1');
    await becomes(() => status('own-1'), 'approved', 'an order is approved');
    await voiding(v, 'own-2');
    await becomes(() => v.page.locator('#held > li').count(), 1, 'one is left');
    await v.accessible('after decisions');
}

async function reading() {
    const v = await dashboard(given.token.read);

    ok(await v.page.locator('#held > li').count(), 'a reader sees what waits');
    ok(await v.page.locator('#rewards > li').count(), 'and what is due');
    is(await v.page.locator(['approve', 'claim', 'void'].map(
        (action) => `[data-action=${action}]`).join()).count(), 0,
    'with nothing to press');
    await v.quiet('a reader');
    await v.close();
}


// ----------------------------------------------------------------- living --

async function living(v) {
    const before = want['7d'].now.human;
    const figure = () => text(v, '#tile-clicks .value');

    is(await figure(), count(before), 'clicks before');
    await Promise.all([click('/r/BEN/wa'), click('/r/BEN/wa')]);
    await becomes(figure, count(before + 2), 'two more while it is open');
    is(await v.page.locator('#live').getAttribute('data-state'), 'live',
        'which it says');

    await v.context.setOffline(true);
    await becomes(() => v.page.locator('#live').getAttribute('data-state'),
        'error', 'offline is told');
    await v.context.setOffline(false);
    await becomes(() => v.page.locator('#live').getAttribute('data-state'),
        'live', 'and passes');
    v.expect(/ERR_INTERNET_DISCONNECTED/);
}


// --------------------------------------------------------------- keyboard --

// By Tab alone until the element has the focus.

async function tab(v, css) {
    for (let i = 0; i < 150; i++) {
        if (await v.page.evaluate((css) => document.activeElement
            ?.matches(css), css)) return true;
        await v.page.keyboard.press('Tab');
    }

    return ok(false, `${css} is reached by Tab`);
}

const seen = (v) => v.page.evaluate(() => {
    const style = getComputedStyle(document.activeElement);
    return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0
        || style.boxShadow !== 'none';
});

async function keyboard() {
    const v = await dashboard();

    await v.page.getByLabel('Access token').waitFor();
    await tab(v, '#token');
    await v.page.keyboard.type(given.token.write);
    await v.page.keyboard.press('Enter');
    await settled(v);

    await tab(v, '#period');
    ok(await seen(v), 'the focus is seen');
    await v.page.keyboard.press('ArrowDown');
    await becomes(() => hash(v), '#period=28d', 'a period is chosen by keys');
    await settled(v);
    await tab(v, '[data-order="own-3"] [data-action="approve"]');
    ok(await seen(v), 'on a button, too');
    await v.page.keyboard.press('Enter');
    await becomes(() => status('own-3'), 'approved', 'an order, by keys');
    await becomes(() => v.page.evaluate(() => document.activeElement.closest(
        '#waiting') !== null), true, 'the focus stays where they are');
    await v.quiet('by keys');
    await v.close();
}


// ---------------------------------------------------------------- hostile --

async function hostile() {
    const v = await dashboard(given.token.write, { url: given.names });
    const all = async () => (await v.page.locator('body').evaluate(
        (body) => body.textContent)).replace(/\s+/g, ' ');
    const plain = (name) => name.replace(/\s+/g, ' ').trim();

    const shown = await all();
    const missing = given.texts.slice(0, 10).map(plain).filter(
        (name) => !shown.includes(name));
    is(missing, [], 'names are text');
    is(await v.page.evaluate(() => [window.hacked, document.querySelectorAll(
        '#page script, #page iframe, #page base, #page meta, #page style, '
        + '#page form[action], img[src=x], svg[onload], [onfocus], '
        + '[onmouseover], a[href^="javascript"]').length]), [null, 0].map(
        (x) => x ?? undefined), 'and nothing but text');
    await v.quiet('names');
    await v.close();
}


// -------------------------------------------------------------------- all --

await signing();
await reading();
const v = await dashboard(given.token.write);
await v.accessible('light');
await numbers(v);
await filters(v);
await living(v);
await deciding(v);
await v.quiet('the dashboard');
await v.close();
await looks();
await keyboard();
await hostile();
await finish();
