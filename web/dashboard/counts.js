// Rows of the counters, added up and compared.

import { bucket, days } from './period.js';

// Numbers beyond 2^53-1 are strings: as counts they are past caring.

export const count = (n) => Number(n ?? 0);

function buckets(span, by, empty) {
  return new Map(days(span).map((day) => bucket(day, by))
    .map((day) => [day, { day, ...empty }]));
}

// Clicks by day, with the days that had none, in days, weeks or months:
// {day, human, excluded, total}.

export function stack(rows, span, by) {
  const sums = buckets(span, by, { human: 0, excluded: 0, total: 0 });

  for (const row of rows) {
    const sum = sums.get(bucket(row.day, by));

    if (sum) {
      sum.human += count(row.clicks.human);
      sum.total += count(row.clicks.total);
      sum.excluded = sum.total - sum.human;
    }
  }

  return [...sums.values()];
}

// The same of events, those that count: {day, signup, purchase}.

export function events(rows, span, by, names) {
  const sums = buckets(span, by,
    Object.fromEntries(names.map((name) => [name, 0])));

  for (const row of rows) {
    const sum = sums.get(bucket(row.day, by));

    for (const name of sum ? names : []) {
      sum[name] += count(row.events?.[name]?.counted);
    }
  }

  return [...sums.values()];
}

// What an event brought: those that count, not those that were refused, sent
// back, of nobody, or that wait for somebody to decide.

export function brought(rows, name) {
  const row = rows.find((event) => event.event === name);
  return row ? count(row.pending) + count(row.approved) : 0;
}

export function sum(rows, of) {
  return rows.reduce((total, row) => total + of(row), 0);
}

export function rate(events, clicks) {
  return clicks > 0 ? events / clicks : null;
}

// {trend, percent}: percent is null when there is nothing to compare with.

export function change(now, before) {
  if (now === null || before === null) {
    return { trend: 'none', percent: null };
  }

  if (now === before) {
    return { trend: 'same', percent: 0 };
  }

  const trend = now > before ? 'up' : 'down';

  if (before === 0) {
    return { trend, percent: null };
  }

  return { trend, percent: (now - before) / before * 100 };
}

// The classes of a total that are no person's clicks, most first.

export function excluded(classes) {
  return Object.entries(classes ?? {})
    .filter(([name, n]) => name !== 'human' && count(n) > 0)
    .map(([name, n]) => [name, count(n)])
    .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
}

// Rows with the most human clicks first.

export function top(rows, n) {
  return [...rows]
    .sort((a, b) => count(b.clicks.human) - count(a.clicks.human)
      || count(b.clicks.total) - count(a.clicks.total))
    .slice(0, n);
}
