import assert from 'node:assert/strict';
import { test } from 'node:test';

import { brought, change, events, excluded, rate, stack, top }
  from '../../web/dashboard/counts.js';

const row = (day, human, total) => ({ day, clicks: { human, total } });

test('classes are stacked, with the days that had no clicks', () => {
  assert.deepEqual(stack([row('2026-11-20', 3, 5), row('2026-11-22', 1, 1)],
    { from: '2026-11-20', to: '2026-11-22' }, 'day'), [
    { day: '2026-11-20', human: 3, excluded: 2, total: 5 },
    { day: '2026-11-21', human: 0, excluded: 0, total: 0 },
    { day: '2026-11-22', human: 1, excluded: 0, total: 1 },
  ]);
});

test('in weeks', () => {
  assert.deepEqual(stack([row('2026-11-15', 1, 1), row('2026-11-16', 2, 4),
    row('2026-11-22', 1, 1)], { from: '2026-11-15', to: '2026-11-22' }, 'week'), [
    { day: '2026-11-09', human: 1, excluded: 0, total: 1 },
    { day: '2026-11-16', human: 3, excluded: 2, total: 5 },
  ]);
});

test('events by day are those that count', () => {
  const rows = [
    { day: '2026-11-20', events: { purchase: { count: 5, counted: 3 } } },
    { day: '2026-11-21', events: { signup: { count: 1, counted: 1 } } },
  ];
  const span = { from: '2026-11-20', to: '2026-11-21' };
  const names = ['signup', 'purchase'];

  assert.deepEqual(events(rows, span, 'day', names), [
    { day: '2026-11-20', signup: 0, purchase: 3 },
    { day: '2026-11-21', signup: 1, purchase: 0 },
  ]);
  assert.deepEqual(events(rows, span, 'month', names),
    [{ day: '2026-11-01', signup: 1, purchase: 3 }]);
});

test('an event brings what counts', () => {
  const rows = [{ event: 'purchase', count: 9, pending: 1, approved: 2, held: 1,
    refunded: 1, unattributed: 3, rejected: 1 }];

  assert.equal(brought(rows, 'purchase'), 3);
  assert.equal(brought(rows, 'signup'), 0);
  assert.equal(rate(3, 12), 0.25);
  assert.equal(rate(3, 0), null);
});

test('this period against the one before', () => {
  assert.deepEqual(change(15, 10), { trend: 'up', percent: 50 });
  assert.deepEqual(change(5, 10), { trend: 'down', percent: -50 });
  assert.deepEqual(change(7, 7), { trend: 'same', percent: 0 });
  assert.deepEqual(change(0, 0), { trend: 'same', percent: 0 });
  assert.deepEqual(change(3, 0), { trend: 'up', percent: null });
  assert.deepEqual(change(null, 3), { trend: 'none', percent: null });
});

test('what is excluded, and what is at the top', () => {
  assert.deepEqual(excluded({ human: 9, preview: 1, crawler: 4, probe: 1 }),
    [['crawler', 4], ['preview', 1], ['probe', 1]]);
  assert.deepEqual(excluded(undefined), []);

  const rows = [[1, 9], [3, 3], [1, 2], [2, 2]]
    .map(([human, total]) => ({ clicks: { human, total } }));

  assert.deepEqual(top(rows, 3).map(({ clicks }) => clicks.total), [3, 2, 9]);
});
