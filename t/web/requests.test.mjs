import assert from 'node:assert/strict';
import { test } from 'node:test';

import { DEFAULTS } from '../../web/dashboard/filter.js';
import { joined, load } from '../../web/dashboard/load.js';
import { codes, requests } from '../../web/dashboard/requests.js';
import { Problem } from '../../web/dashboard/api.js';

const NOW = Date.parse('2026-11-22T10:00:00Z');

test('period and code are in all that is asked for', () => {
  const all = requests({ ...DEFAULTS, code: 'ANNA42' }, NOW);

  assert.equal(all.clicks,
    'v1/counters?by=day&from=2026-11-16&to=2026-11-22&code=ANNA42&limit=250');
  assert.equal(all.eventsBefore,
    'v1/counters?by=event&from=2026-11-09&to=2026-11-15&code=ANNA42');
  assert.equal(all.person, 'v1/codes/ANNA42');
  assert.match(all.channels, /code=ANNA42/);
  assert.match(all.rewards, /state=approved&code=ANNA42/);
  assert.match(all.board, /period=2026-11/);
  assert.equal(requests(DEFAULTS, NOW).person, undefined);
  assert.equal(codes({ ...DEFAULTS, code: 'ANNA42' }, NOW), null);
  assert.equal(codes(DEFAULTS, NOW),
    'v1/counters?by=code&from=2026-11-16&to=2026-11-22&top=8');
});

test('a year takes two answers, and what was before it is summed up', () => {
  const all = requests({ ...DEFAULTS, period: 'year' }, NOW);

  assert.equal(all.clicks,
    'v1/counters?by=day&from=2026-01-01&to=2026-09-07&limit=250');
  assert.equal(all.clicksRest,
    'v1/counters?by=day&from=2026-09-08&to=2026-11-22&limit=250');
  assert.equal(all.clicksBefore,
    'v1/counters?from=2025-01-01&to=2025-11-22');

  const clicks = { by: 'day', data: [1] };
  const two = { wanted: all, data: { clicks, clicksRest: { data: [3] }, b: 2 } };
  const half = { wanted: all, data: { clicks, b: 2 } };
  const one = { wanted: requests(DEFAULTS, NOW), data: { clicks, b: 2 } };

  assert.deepEqual(joined(two), { clicks: { by: 'day', data: [1, 3] }, b: 2 });
  assert.deepEqual(joined(half), { b: 2 });
  assert.deepEqual(joined(one), one.data);
});

function api(answers) {
  const asked = [];

  return {
    asked,
    get: async (path) => {
      asked.push(path);
      const answer = answers(path);
      if (answer instanceof Problem) throw answer;
      return answer;
    },
  };
}

const at = (now, part = {}) => ({ filter: { ...DEFAULTS, ...part }, now });

test('when the store did not change, only its health is asked for', async () => {
  const days = { data: [] };
  const { asked, get } = api((path) => (path === 'metrics' ? ''
    : /by=day/.test(path) ? days : { path }));
  const first = await load({ get }, at(NOW), null);

  assert.equal(asked.length, Object.keys(first.wanted).length);
  asked.length = 0;

  const second = await load({ get }, at(NOW + 5000), first);

  assert.deepEqual(asked, [first.wanted.clicks, 'v1/health']);
  assert.equal(second.data.board, first.data.board);
  asked.length = 0;
  await load({ get }, at(NOW + 30000), second);
  assert.deepEqual(asked, [first.wanted.clicks, 'v1/health', 'metrics']);
});

test('when it changed, or the filter did, all is', async () => {
  const { asked, get } = api((path) => (path === 'metrics' ? '' : { path }));
  const first = await load({ get }, at(NOW), null);
  const all = Object.values(first.wanted).sort();

  asked.length = 0;
  await load({ get }, at(NOW + 60000), first);
  assert.deepEqual(asked.sort(), all);
  asked.length = 0;

  const other = await load({ get }, at(NOW + 5000, { period: '28d' }), first);

  assert.deepEqual(asked.sort(), Object.values(other.wanted).sort());
});

test('what fails alone leaves the rest, and is asked for again', async () => {
  let days = { data: [] };
  let broken = true;
  const { get } = api((path) => (path === 'metrics' ? ''
    : /leaderboard/.test(path) && broken ? new Problem(503)
      : /by=day/.test(path) ? days : { path }));
  const first = await load({ get }, at(NOW), null);

  assert.deepEqual(Object.keys(first.failures), ['board']);
  assert.ok(first.data.clicks);
  broken = false;

  const second = await load({ get }, at(NOW + 5000), first);

  assert.deepEqual(second.failures, {});
  assert.ok(second.data.board);

  // also when it was there before

  days = { data: [] };
  broken = true;

  const third = await load({ get }, at(NOW + 10000), second);

  assert.equal(third.data.board, second.data.board);
  broken = false;

  const fourth = await load({ get }, at(NOW + 15000), third);

  assert.notEqual(fourth.data.board, second.data.board);
});

test('a server that fails is asked for one thing, and what was shown stays',
  async () => {
    let down = false;
    const { asked, get } = api((path) => (down ? new Problem(0)
      : path === 'metrics' ? '' : { path }));
    const first = await load({ get }, at(NOW), null);

    down = true;
    asked.length = 0;

    const second = await load({ get }, at(NOW + 5000), first);

    assert.deepEqual(asked, [first.wanted.clicks]);
    assert.equal(second.data.board, first.data.board);
    down = false;
    asked.length = 0;
    await load({ get }, at(NOW + 10000), second);
    assert.ok(asked.includes(first.wanted.board));
  });

test('so is one that does not know the code', async () => {
  const { asked, get } = api(() => new Problem(404, { code: 'code_not_found' }));
  const found = await load({ get }, at(NOW, { code: 'NOBODY' }), null);

  assert.deepEqual(asked, [found.wanted.clicks]);
  assert.equal(found.failures.clicks.code, 'code_not_found');
});
