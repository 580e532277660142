// Two visitors of the demo in a real browser; prints what they saw as JSON.
// Usage: node demo.js BASE SCREENSHOT_DIRECTORY

'use strict';

const { chromium } = require('playwright-core');

const [base, shots] = process.argv.slice(2);


async function visit(browser, name, path) {
    const context = await browser.newContext();
    const page = await context.newPage();
    const responses = [];

    page.on('response', response => responses.push(
        response.allHeaders().then(headers => ({
            url: response.url().slice(base.length),
            status: response.status(),
            headers,
        }))));

    await page.goto(base + path);
    const front = { url: page.url().slice(base.length),
                    text: await page.innerText('body') };
    await page.screenshot({ path: `${shots}/${name}-front.png` });

    await page.click('header a[href="/checkout"]');
    await page.waitForURL('**/checkout');
    const checkout = { code: await texts(page, '#code'),
                       none: await texts(page, '#none') };
    await page.screenshot({ path: `${shots}/${name}-checkout.png` });

    const seen = { front, checkout, responses: await Promise.all(responses),
                   cookies: await context.cookies() };
    await context.close();
    return seen;
}


function texts(page, selector) {
    return page.locator(selector).allInnerTexts();
}


async function main() {
    const browser = await chromium.launch({
        executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
        args: ['--no-sandbox', '--disable-gpu', '--disable-quic',
               '--no-first-run', '--disable-background-networking',
               '--disable-component-update', '--disable-sync'],
    });

    try {
        const friend = await visit(browser, 'friend', '/r/ANNA42');
        const other = await visit(browser, 'other', '/');
        console.log(JSON.stringify({ friend, other }));

    } finally {
        await browser.close();
    }
}


main().catch(error => {
    console.error(error);
    process.exit(1);
});
