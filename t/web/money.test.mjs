import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { digits, less, money, net } from '../../web/money.js';

test('digits are those of the server, for each of its currencies', () => {
  const source = readFileSync(new URL(
    '../../lmdb-store/referral_money.c', import.meta.url), 'utf8');
  const table = [...source.matchAll(/\{ "([A-Z]{3})", \d+, (\d) \}/g)];

  assert.ok(table.length > 150);

  for (const [, currency, places] of table) {
    assert.equal(digits(currency), Number(places), currency);
  }
});

test('minor units become an amount', () => {
  assert.equal(money(4999, 'EUR', 'en-GB'), '€49.99');
  assert.equal(money(5, 'EUR', 'en-GB'), '€0.05');
  assert.equal(money(0, 'EUR', 'en-GB'), '€0.00');
  assert.equal(money(1234567, 'JPY', 'en-US'), '¥1,234,567');
  assert.equal(money(1500, 'KWD', 'en-GB'), 'KWD\u00a01.500');
  assert.equal(money(12345678, 'CLF', 'en-GB'), 'CLF\u00a01,234.5678');
  assert.equal(money(-5, 'EUR', 'en-GB'), '\u2212€0.05');
});

test('not by the digits of cash', () => {
  assert.equal(money(1234, 'LBP', 'en-GB'), 'LBP\u00a012.34');
  assert.equal(money(1234, 'HUF', 'en-GB'), 'HUF\u00a012.34');
});

test('amounts beyond 2^53 are exact', () => {
  assert.equal(money('922337203685477', 'EUR', 'en-GB'),
    '€9,223,372,036,854.77');
  assert.equal(money('9223372036854775807', 'EUR', 'en-GB'),
    '€92,233,720,368,547,758.07');
});

test('sums are net of refunds, by currency', () => {
  const sums = net(
    { EUR: { gross: 5000, refunded: 500 } },
    { EUR: { gross: 1, refunded: 0 }, JPY: { gross: 300, refunded: 0 } },
    undefined,
  );

  assert.deepEqual([...sums], [['EUR', 4501n], ['JPY', 300n]]);
  assert.deepEqual([...less(sums, new Map([['EUR', 1n]]))],
    [['EUR', 4500n], ['JPY', 300n]]);
});
