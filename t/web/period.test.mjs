import assert from 'node:assert/strict';
import { test } from 'node:test';

import { before, bucket, days, isDay, length, range, unit }
  from '../../web/dashboard/period.js';

const at = (text) => Date.parse(text);
const NOW = at('2026-11-22T23:59:59Z');

test('periods end today, in UTC', () => {
  assert.deepEqual(range('7d', NOW), { from: '2026-11-16', to: '2026-11-22' });
  assert.deepEqual(range('month', NOW), { from: '2026-11-01', to: '2026-11-22' });
  assert.deepEqual(range('last-month', NOW),
    { from: '2026-10-01', to: '2026-10-31' });
  assert.deepEqual(range('last-month', at('2026-01-05T00:00:00Z')),
    { from: '2025-12-01', to: '2025-12-31' });
  assert.deepEqual(range('year', NOW), { from: '2026-01-01', to: '2026-11-22' });
  assert.equal(length(range('90d', NOW)), 90);
});

test('a range of days', () => {
  assert.deepEqual(range('2026-02-01..2026-02-28', NOW),
    { from: '2026-02-01', to: '2026-02-28' });

  for (const none of ['', '8d', '2026-02-28..2026-02-01', '2026-02-30..2026-03-01',
    '2024-01-01..2026-01-01', '2026-2-1..2026-2-3', '../..', 'constructor']) {
    assert.equal(range(none, NOW), null, none);
  }
});

test('what a period is compared with', () => {
  const prior = (name, now = NOW) => before(name, range(name, now));

  assert.deepEqual(prior('7d'), { from: '2026-11-09', to: '2026-11-15' });
  assert.deepEqual(prior('month'), { from: '2026-10-01', to: '2026-10-22' });
  assert.deepEqual(prior('last-month'), { from: '2026-09-01', to: '2026-09-30' });
  assert.deepEqual(prior('year'), { from: '2025-01-01', to: '2025-11-22' });
  assert.deepEqual(prior('2026-03-01..2026-03-01'),
    { from: '2026-02-28', to: '2026-02-28' });
});

test('months and years of different lengths', () => {
  const prior = (name, now) => before(name, range(name, at(now)));

  assert.deepEqual(prior('month', '2026-03-31T12:00:00Z'),
    { from: '2026-02-01', to: '2026-02-28' });
  assert.deepEqual(prior('last-month', '2026-03-31T12:00:00Z'),
    { from: '2026-01-01', to: '2026-01-31' });
  assert.deepEqual(prior('year', '2028-02-29T12:00:00Z'),
    { from: '2027-01-01', to: '2027-02-28' });
});

test('days', () => {
  assert.deepEqual(days({ from: '2028-02-28', to: '2028-03-01' }),
    ['2028-02-28', '2028-02-29', '2028-03-01']);
  assert.ok(isDay('2028-02-29'));
  assert.ok(!isDay('2026-02-29'));
  assert.ok(!isDay('today'));
});

test('long periods are shown in weeks and months', () => {
  const of = (from, to) => unit({ from, to });

  assert.equal(of('2026-11-01', '2026-11-30'), 'day');
  assert.equal(of('2026-08-25', '2026-11-22'), 'week');
  assert.equal(of('2026-01-01', '2026-11-22'), 'month');
  assert.equal(bucket('2026-11-22', 'day'), '2026-11-22');
  assert.equal(bucket('2026-11-22', 'week'), '2026-11-16');
  assert.equal(bucket('2026-11-16', 'week'), '2026-11-16');
  assert.equal(bucket('2026-11-22', 'month'), '2026-11-01');
});
