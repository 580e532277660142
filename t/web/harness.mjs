// What the scripts of this directory share: checks, and browsers that notice
// what a page must never do.
//
//   import { given, is, ok, visitor, finish } from './harness.mjs';
//
//   const v = await visitor({ viewport: …, colorScheme: 'dark', … });
//   await v.page.goto(given.url);
//   await v.accessible('the front page');
//   v.expect(/status of 401/);       // a complaint that has to come
//   await v.quiet('the front page'); // and that there was no other
//   await finish();
//
// given is what Referral::Web was called with.  Each check is a line of JSON.

import { readFileSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import { isDeepStrictEqual } from 'node:util';

const require = createRequire(`${process.env.TEST_WEB}/`);
const { chromium, devices } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

export { devices };
export const given = JSON.parse(readFileSync(0, 'utf8'));
export const patience = 20000 * (given.patience || 1);

const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--disable-dev-shm-usage', '--disable-quic'],
    chromiumSandbox: false,
});


// ------------------------------------------------------------------ checks --

function say(line) {
    process.stdout.write(`${JSON.stringify(line)}\n`);
}

export function ok(good, name, diag) {
    say({ ok: Boolean(good), name, diag: good ? undefined : diag });
    return Boolean(good);
}

export function is(got, want, name) {
    return ok(isDeepStrictEqual(got, want), name,
        `got:  ${JSON.stringify(got)}\nwant: ${JSON.stringify(want)}`);
}

export function like(got, want, name) {
    return ok(want.test(got), name, `got:  ${JSON.stringify(got)}`);
}

export function note(text) {
    say({ note: text });
}

// What was measured, for the caller.

export function figures(of) {
    say({ figures: of });
}

// The first truth that comes, or what there was in the end.

export async function soon(look, ms = patience) {
    const end = Date.now() + ms;

    for ( ;; ) {
        const got = await look();
        if (got || Date.now() > end) return got;
        await new Promise((done) => setTimeout(done, 50));
    }
}

export async function becomes(look, want, name) {
    let got;
    await soon(async () => isDeepStrictEqual(got = await look(), want));
    return is(got, want, name);
}


// ---------------------------------------------------------------- visitors --

const visitors = new Set();

// A script that fails tells what its pages had to say.

process.on('uncaughtException', async (error) => {
    const heard = [...visitors].flatMap((v) => [v.page?.url(),
        ...v.complaints]);

    ok(false, 'no step fails', [error.stack, ...heard].join('\n'));
    await browser.close();
    process.exit(1);
});

// Chromium says nothing aloud of some violations: the page itself has to.

function listen() {
    addEventListener('securitypolicyviolation', (e) => {
        console.error(`CSP violation: ${e.effectiveDirective} ${e.blockedURI}`);
    });
}

class Visitor {
    complaints = [];
    expected = [];
    origins = new Set(given.origins || [new URL(given.url).origin]);

    async open({ moved = false, ...options }) {
        this.context = await browser.newContext({
            locale: 'en-GB', timezoneId: 'UTC', ...options,
        });
        this.context.setDefaultTimeout(patience);
        await this.context.addInitScript(listen);
        this.watch();
        visitors.add(this);
        this.page = await this.context.newPage();
        if (moved) await this.weigh();
        return this;
    }

    watch() {
        this.context.on('console', (m) => {
            if (m.type() === 'error' || /Refused|violat/i.test(m.text())) {
                this.complain(`console: ${m.text()} ${m.location().url}`);
            }
        });
        this.context.on('weberror', (e) => {
            this.complain(`error: ${e.error().stack || e.error()}`);
        });
        this.context.on('request', (r) => {
            const { origin, protocol } = new URL(r.url());
            if (!this.origins.has(origin) && protocol !== 'data:'
                && protocol !== 'blob:') {
                this.complain(`a request to ${r.url()}`);
            }
        });
    }

    complain(what) {
        this.complaints.push(what);
    }

    expect(...what) {
        this.expected.push(...what);
    }

    // Bytes that came over the wire, heads of answers included.

    async weigh() {
        const wire = await this.context.newCDPSession(this.page);
        this.moved = 0;
        this.requests = 0;
        wire.on('Network.loadingFinished', (e) => {
            this.moved += e.encodedDataLength;
            this.requests++;
        });
        await wire.send('Network.enable');
        this.wire = wire;
    }

    // What axe-core finds that keeps people out.

    async barriers(where = this.page) {
        await where.evaluate(axe);
        const { violations } = await where.evaluate(
            () => axe.run(document, { resultTypes: ['violations'],
                rules: { 'target-size': { enabled: true } } }));

        return violations.filter(
            ({ impact }) => impact === 'serious' || impact === 'critical')
            .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 5).map(
                (n) => `${n.target} ${n.any[0]?.message || ''}`).join('; ')}`);
    }

    async accessible(name, where) {
        is(await this.barriers(where), [], `${name}: nobody is kept out`);
    }

    async quiet(name) {
        const missing = this.expected.filter(
            (e) => !this.complaints.some((c) => e.test(c)));

        is(this.complaints.filter((c) => !this.expected.some(
            (e) => e.test(c))), [], `${name}: no complaint`);
        is(missing.map(String), [], `${name}: nor one that is missing`);
        this.complaints.length = this.expected.length = 0;
    }

    async close() {
        visitors.delete(this);
        await this.context.close();
    }
}

export function visitor(options = {}) {
    return new Visitor().open(options);
}


// -------------------------------------------------------------- the server --

// One call of the endpoint, beside any page.

export async function api(method, path, body, token = given.token.admin) {
    const answer = await fetch(new URL(path, given.url), {
        method,
        headers: { Authorization: `Bearer ${token}`,
            ...(body && { 'Content-Type': 'application/json' }) },
        body: body && JSON.stringify(body),
    });

    return { status: answer.status, ...await answer.json() };
}

// A person follows a link.

export function click(path) {
    return new Promise((done, failed) => {
        const options = { headers: given.browser, agent: false };

        http.get(new URL(path, given.url), options, (answer) => {
            answer.resume().on('end', () => done(answer.statusCode));
        }).on('error', failed);
    });
}

export async function finish() {
    await browser.close();
    say({ done: true });
}
