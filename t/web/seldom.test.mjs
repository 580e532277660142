import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Problem } from '../../web/dashboard/api.js';
import { EVERY, Seldom } from '../../web/dashboard/seldom.js';

// Answers when it is told to.

function slow() {
  const asked = [];

  return {
    asked,
    get: (path, signal) => new Promise((answer, fail) => {
      asked.push({ path, signal, answer, fail });
    }),
  };
}

function watched() {
  const told = [];
  return { told, seldom: new Seldom((answer) => told.push(answer)) };
}

test('one at a time, and once a minute', async () => {
  const api = slow();
  const { told, seldom } = watched();
  const first = seldom.look(api, 'a', 1000);

  await seldom.look(api, 'a', 1000 + EVERY - 1);
  assert.equal(api.asked.length, 1);
  api.asked[0].answer('data');
  await first;
  assert.deepEqual(told, [{}, { data: 'data' }]);

  const second = seldom.look(api, 'a', 1000 + EVERY);

  assert.equal(api.asked.length, 2);
  api.asked[1].answer('more');
  await second;
  assert.deepEqual(told.slice(2), [{ data: 'more' }]);
});

test('another path ends the one before, whose answer is not told', async () => {
  const api = slow();
  const { told, seldom } = watched();
  const first = seldom.look(api, 'a', 1000);
  const second = seldom.look(api, 'b', 1001);

  assert.ok(api.asked[0].signal.aborted);
  api.asked[0].answer('old');
  await first;
  api.asked[1].answer('new');
  await second;
  assert.deepEqual(told, [{}, {}, { data: 'new' }]);
});

test('a failure is told; what was forgotten is not', async () => {
  const api = slow();
  const { told, seldom } = watched();
  const failure = new Problem(503);
  const first = seldom.look(api, 'a', 1000);

  api.asked[0].fail(failure);
  await first;
  assert.deepEqual(told, [{}, { failure }]);

  const second = seldom.look(api, 'b', 1000);

  seldom.forget();
  api.asked[1].fail(new Problem(0));
  await second;
  assert.equal(told.length, 3);
});
