import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Api, Problem, query } from '../../web/dashboard/api.js';

const json = (data, { status = 200, headers = {} } = {}) =>
  new Response(status === 304 ? null : JSON.stringify(data), { status,
    headers: { 'Content-Type': 'application/json', ...headers } });

function server(...answers) {
  const seen = [];

  return {
    seen,
    fetch: async (path, options) => {
      seen.push({ path, ...options });
      const next = answers.shift();

      if (next instanceof Error) {
        throw next;
      }

      return next;
    },
  };
}

test('the token goes in its header, and nothing without one', async () => {
  const one = server(json({}));
  const none = server(json({}));

  await new Api('secret', one.fetch).get('v1/program');
  await new Api(null, none.fetch).get('v1/program');
  assert.equal(one.seen[0].headers.Authorization, 'Bearer secret');
  assert.ok(!('Authorization' in none.seen[0].headers));
});

test('what did not change is asked for by its ETag, and is the same', async () => {
  const { fetch, seen } = server(json({ n: 1 }, { headers: { ETag: '"a"' } }),
    json(null, { status: 304 }), json({ n: 2 }, { headers: { ETag: '"b"' } }),
    json(null, { status: 304 }));
  const api = new Api(null, fetch);
  const first = await api.get('x');

  assert.equal(await api.get('x'), first);
  assert.deepEqual(await api.get('x'), { n: 2 });
  assert.deepEqual(await api.get('x'), { n: 2 });
  assert.deepEqual(seen.map(({ headers }) => headers['If-None-Match']),
    [undefined, '"a"', '"a"', '"b"']);
});

test('problems', async () => {
  const { fetch } = server(
    json({ code: 'reward_state', detail: 'it is void' }, { status: 409,
      headers: { 'Content-Type': 'application/problem+json' } }),
    json({}, { status: 503, headers: { 'Retry-After': '7' } }),
    new Response('<h1>403</h1>', { status: 403,
      headers: { 'Content-Type': 'text/html' } }),
    new TypeError('Failed to fetch'),
  );
  const api = new Api(null, fetch);
  const failed = () => api.get('x').then(() => null, (problem) => problem);
  const conflict = await failed();

  assert.ok(conflict instanceof Problem);
  assert.deepEqual([conflict.status, conflict.code, conflict.detail],
    [409, 'reward_state', 'it is void']);
  assert.deepEqual([(await failed()).retry, (await failed()).status,
    (await failed()).status], [7, 403, 0]);
});

test('the health of a store that is down is an answer', async () => {
  const { fetch } = server(json({ status: 'down' }, { status: 503 }));

  assert.deepEqual(await new Api(null, fetch).get('v1/health'),
    { status: 'down' });
});

test('a decision is posted', async () => {
  const { fetch, seen } = server(json({ duplicate: false }));

  await new Api('t', fetch).post('v1/rewards/17/claim');
  assert.deepEqual([seen[0].method, seen[0].body], ['POST', undefined]);
});

test('queries', () => {
  assert.equal(query('v1/rewards', { state: 'held', code: '', after: undefined }),
    'v1/rewards?state=held');
  assert.equal(query('x', {}), 'x');
  assert.equal(query('x', { code: 'a&b=c' }), 'x?code=a%26b%3Dc');
});
