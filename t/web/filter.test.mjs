import assert from 'node:assert/strict';
import { test } from 'node:test';

import { DEFAULTS, format, parse } from '../../web/dashboard/filter.js';

test('defaults are not in the URL', () => {
  assert.equal(format(DEFAULTS), '');
  assert.deepEqual(parse(''), { ...DEFAULTS });
  assert.deepEqual(parse('#'), { ...DEFAULTS });
});

test('there and back', () => {
  for (const part of [{ period: '28d' }, { period: '2026-11-01..2026-11-10' },
    { code: 'ANNA42' }, { code: 'a-_b', board: 'all', waits: 'held' },
    { board: '2026-11' }, { board: 'december' }, { period: 'last-month', code: 'B' }]) {
    const filter = { ...DEFAULTS, ...part };

    assert.deepEqual(parse(format(filter)), filter);
  }

  assert.equal(format({ ...DEFAULTS, code: 'ANNA42', period: 'year' }),
    '#period=year&code=ANNA42');
});

test('what is not understood is as if it were not there', () => {
  for (const fragment of ['#period=9d', '#code=%3Cb%3E', '#code=a.b', '#board=A%2F',
    '#waits=void', '#other=1', '#period=', '#code=-a', '#%', '#waits=constructor',
    `#code=${'A'.repeat(65)}`]) {
    assert.deepEqual(parse(fragment), { ...DEFAULTS }, fragment);
  }
});
