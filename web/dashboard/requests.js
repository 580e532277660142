// What the page asks for, by name.

import { query } from './api.js';
import { chosen } from './board.js';
import { before, length, range, shift, unit } from './period.js';

const PAGE = 250;      // rows of an answer, at most
const ROWS = 8;
const LEADERS = 12;

// How many of what waits; more when that is asked for.

export const SIZES = Object.freeze({ held: 10, rewards: 10 });
export const more = (n) => Math.min(n + 40, 250);

export function spans(filter, now) {
  const span = range(filter.period, now) ?? range('7d', now);
  return { span, prior: before(filter.period, span) };
}

// Days, in as many answers as they take.

function halves({ from, to }) {
  return length({ from, to }) <= PAGE ? [{ from, to }]
    : [{ from, to: shift(from, PAGE - 1) }, { from: shift(from, PAGE), to }];
}

export function requests(filter, now, sizes = SIZES) {
  const { span, prior } = spans(filter, now);
  const { code } = filter;
  const counters = (by, of, more) => query('v1/counters',
    { by, ...of, code, ...more });

  const [days, rest] = halves(span);
  const limit = PAGE;

  return {
    clicks: counters('day', days, { limit }),
    ...(rest && { clicksRest: counters('day', rest, { limit }) }),
    clicksBefore: unit(span) === 'month' ? counters('', prior)
      : counters('day', prior, { limit }),
    events: counters('event', span),
    eventsBefore: counters('event', prior),
    channels: counters('channel', span, { top: ROWS }),
    landings: counters('landing', span, { top: ROWS }),
    ...(code && { person: `v1/codes/${encodeURIComponent(code)}` }),
    board: query('v1/leaderboard',
      { period: chosen(filter, span), limit: LEADERS }),
    held: query('v1/conversions',
      { status: 'held', limit: code ? Math.max(sizes.held, 50) : sizes.held }),
    rewards: query('v1/rewards',
      { state: filter.waits, code, limit: sizes.rewards }),
    health: 'v1/health',
    metrics: 'metrics',
  };
}

// For this the server goes through all codes; null when one was chosen.

export function codes(filter, now) {
  const { span } = spans(filter, now);

  return filter.code ? null
    : query('v1/counters', { by: 'code', ...span, top: ROWS });
}

// Of these the counters' ETag, which is one of the whole store, does not tell:
// asked for again after so long, in milliseconds.

export const AGAIN = new Map([['health', 0], ['metrics', 30000]]);
