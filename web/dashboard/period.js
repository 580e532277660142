// Periods of days in UTC, as the counters keep them.  A day is its text,
// "2026-11-22".

const DAY = 86400e3;
const ROLLING = new Map([['7d', 7], ['28d', 28], ['90d', 90]]);
const RANGE = /^(\d{4}-\d\d-\d\d)\.\.(\d{4}-\d\d-\d\d)$/;

export const LONGEST = 400;    // what the counters answer for
export const NAMES = new Map([
  ['7d', 'Last 7 days'],
  ['28d', 'Last 28 days'],
  ['90d', 'Last 90 days'],
  ['month', 'This month'],
  ['last-month', 'Last month'],
  ['year', 'This year'],
]);

export const day = (ms) => new Date(ms).toISOString().slice(0, 10);
export const ms = (text) => Date.parse(`${text}T00:00:00Z`);
export const shift = (text, days) => day(ms(text) + days * DAY);
export const length = ({ from, to }) => (ms(to) - ms(from)) / DAY + 1;

export function isDay(text) {
  return /^20\d\d-\d\d-\d\d$/.test(text) && !Number.isNaN(ms(text))
    && day(ms(text)) === text;
}

export function days({ from, to }) {
  return Array.from({ length: length({ from, to }) }, (_, i) => shift(from, i));
}

const first = (year, month) => day(Date.UTC(year, month, 1));

// The range of a period's name, null when it is none.

export function range(name, now) {
  const today = day(now);
  const year = Number(today.slice(0, 4));
  const month = Number(today.slice(5, 7)) - 1;

  if (ROLLING.has(name)) {
    return { from: shift(today, 1 - ROLLING.get(name)), to: today };
  }

  switch (name) {
    case 'month':
      return { from: first(year, month), to: today };
    case 'last-month':
      return {
        from: first(year, month - 1),
        to: shift(first(year, month), -1),
      };
    case 'year':
      return { from: first(year, 0), to: today };
    default:
      return custom(name);
  }
}

function custom(name) {
  const [, from, to] = RANGE.exec(name) ?? [];

  return from && isDay(from) && isDay(to) && from <= to
    && length({ from, to }) <= LONGEST ? { from, to } : null;
}

// What a period is compared with: as many days before it; of a calendar month
// or year that runs, the same days of the one before.

export function before(name, { from, to }) {
  const date = new Date(ms(from));
  const year = date.getUTCFullYear();
  const month = date.getUTCMonth();

  if (name === 'month' || name === 'last-month') {
    const start = first(year, month - 1);
    const last = shift(from, -1);
    const same = shift(start, length({ from, to }) - 1);

    return {
      from: start,
      to: name === 'last-month' || same > last ? last : same,
    };
  }

  if (name === 'year') {
    const same = `${year - 1}${to.slice(4)}`;

    return {
      from: first(year - 1, 0),
      to: isDay(same) ? same : `${year - 1}-02-28`,
    };
  }

  return { from: shift(from, -length({ from, to })), to: shift(from, -1) };
}

// Days are shown one by one, or in weeks that begin on Monday, or months.

export function unit(span) {
  const n = length(span);
  return n <= 62 ? 'day' : n <= 190 ? 'week' : 'month';
}

export function bucket(text, by) {
  switch (by) {
    case 'week':
      return shift(text, -((new Date(ms(text)).getUTCDay() + 6) % 7));
    case 'month':
      return `${text.slice(0, 7)}-01`;
    default:
      return text;
  }
}
