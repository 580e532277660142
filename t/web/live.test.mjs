import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EVERY, LONGEST, Live, delay } from '../../web/dashboard/live.js';

test('it backs off when the server fails, and heeds Retry-After', () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 50].map((n) => delay(n)),
    [EVERY, EVERY, 2 * EVERY, 4 * EVERY, 8 * EVERY, LONGEST, LONGEST]);
  assert.equal(delay(1, 30), 30000);
  assert.equal(delay(9, 1), LONGEST);
});

class Page extends EventTarget {
  hidden = false;

  see(is) {
    this.hidden = !is;
    this.dispatchEvent(new Event('visibilitychange'));
  }
}

function watched(look) {
  const page = new Page();
  const told = [];
  const live = new Live(look, (state, failure, ms) => told.push([state, ms]), page);

  return { page, told, live };
}

test('while it is hidden, nothing is asked', async () => {
  let looks = 0;
  const { page, told, live } = watched(async () => { looks += 1; });

  await live.start();
  page.see(false);
  assert.deepEqual(told, [['live', EVERY], ['paused', 0]]);
  page.see(true);
  await live.now();
  live.stop();
  assert.ok(looks >= 2);

  const before = looks;

  page.see(false);
  page.see(true);
  await new Promise(setImmediate);
  assert.equal(looks, before, 'stopped');
});

test('failures are told, and counted until one look succeeds', async () => {
  const answers = [new Error('a'), new Error('b'), null, new Error('c')];
  const { told, live } = watched(async () => {
    const failure = answers.shift();
    if (failure) throw failure;
  });

  await live.start();
  await live.now();
  await live.now();
  await live.now();
  live.stop();
  assert.deepEqual(told, [['error', EVERY], ['error', 2 * EVERY], ['live', EVERY],
    ['error', EVERY]]);
});

test('one look at a time, and one more for who asked meanwhile', async () => {
  let looks = 0;
  let most = 0;
  let running = 0;
  const { live } = watched(async () => {
    looks += 1;
    running += 1;
    most = Math.max(most, running);
    await new Promise(setImmediate);
    running -= 1;
  });

  await Promise.all([live.start(), live.now(), live.now()]);
  live.stop();
  assert.deepEqual([looks, most], [2, 1]);
});
