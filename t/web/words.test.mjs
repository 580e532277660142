import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { ago, bytes, problem, reason } from '../../web/dashboard/words.js';

test('each reason of the manual has words', () => {
  const manual = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const [, table] = manual.split('| reason | what it says |');
  const names = [...table.split('\n\n')[0].matchAll(/^\| `([a-z_]+)` \|/gm)];

  assert.ok(names.length > 20);

  for (const [, name] of names) {
    assert.notEqual(reason(name), name, name);
  }

  assert.equal(reason('of_tomorrow'), 'of_tomorrow');
});

test('what fails is said in words', () => {
  const said = [0, 401, 403, 404, 409, 429, 500, 503]
    .map((status) => problem({ status, detail: null }));

  assert.equal(new Set(said).size, said.length);

  for (const text of said) {
    assert.match(text, /^[A-Z].*[.?]$/);
  }

  assert.match(problem({ status: 409, detail: 'the reward is void' }),
    /the reward is void/);
  assert.match(problem({ status: 401, code: 'invalid_signature' }), /sign/);
});

test('times and sizes', () => {
  const now = Date.parse('2026-11-22T10:00:00Z');

  assert.equal(ago(now - 90e3, now, 'en'), '1 minute ago');
  assert.equal(ago(now - 3 * 86400e3, now, 'en'), '3 days ago');
  assert.equal(ago(now + 2 * 3600e3, now, 'en'), 'in 2 hours');
  assert.equal(ago(now, now, 'en'), 'now');
  assert.equal(bytes(0), '0 B');
  assert.equal(bytes(1536), '1.5 KB');
  assert.equal(bytes(16 * 2 ** 30), '16 GB');
});
