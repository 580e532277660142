import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Problem } from '../../web/dashboard/api.js';
import { failed } from '../../web/dashboard/decide.js';

const said = (...of) => failed(new Problem(...of), 'void', 'order 1003');

test('after a lost answer nobody knows what was decided', () => {
  for (const [status, body] of [[0], [502, {}], [504, {}]]) {
    assert.match(said(status, body), /not known whether order 1003 was voided/);
    assert.doesNotMatch(said(status, body), /Nothing was changed|could not/);
  }
});

test('what the module refused was not done', () => {
  for (const [status, code] of [[409, 'conflict'], [403, 'forbidden'],
    [503, 'store_unavailable']]) {
    assert.match(said(status, { code }),
      /^Nothing was changed: order 1003 could not be voided\. ./);
  }
});
