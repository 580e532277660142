import assert from 'node:assert/strict';
import { test } from 'node:test';

import { choices, chosen, isBoard, standings } from '../../web/dashboard/board.js';

test('ties are equal, and the distance is that to the rank above', () => {
  const rows = [[1, 25], [1, 25], [3, 10], [4, 4]]
    .map(([rank, points]) => ({ rank, points }));

  assert.deepEqual(standings(rows).map(({ tied, behind }) => [tied, behind]),
    [[true, 0], [true, 0], [false, 15], [false, 6]]);
  assert.deepEqual(standings([]), []);
});

test('the board of a period', () => {
  const span = { from: '2026-10-20', to: '2026-11-22' };

  assert.equal(chosen({ board: '' }, span), '2026-11');
  assert.equal(chosen({ board: 'all' }, span), 'all');

  const values = (value) => choices([{ name: 'december' }], '2026-01-22', value)
    .map((choice) => choice.value);

  assert.deepEqual(values('all'), ['2026-01', '2025-12', 'all', 'december']);
  assert.deepEqual(values('2025-03'),
    ['2026-01', '2025-12', 'all', 'december', '2025-03']);
});

test('a contest that the program has not is no board', () => {
  const contests = [{ name: 'spring' }];
  const is = (board) => isBoard(board, contests);

  assert.deepEqual(['', 'all', '2026-11', 'spring'].map(is),
    [true, true, true, true]);
  assert.equal(is('autumn'), false);
});
