// Numbers and dates, the way the reader writes them, in the page's English.

const LOCALE = [...(globalThis.navigator?.languages ?? [])]
  .find((name) => /^en\b/.test(name)) ?? 'en-GB';

const whole = new Intl.NumberFormat(LOCALE);
const short = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 1 });
const dates = new Intl.DateTimeFormat(LOCALE,
  { day: 'numeric', month: 'short', timeZone: 'UTC' });
const months = new Intl.DateTimeFormat(LOCALE,
  { month: 'short', year: 'numeric', timeZone: 'UTC' });
const full = new Intl.DateTimeFormat(LOCALE,
  { dateStyle: 'medium', timeZone: 'UTC' });
const moments = new Intl.DateTimeFormat(LOCALE,
  { dateStyle: 'medium', timeStyle: 'short' });

export { LOCALE };

export const number = (n) => whole.format(n);
export const percent = (n) => `${short.format(n)}\u202f%`;
export const date = (day) => dates.format(new Date(`${day}T00:00:00Z`));
export const month = (day) => months.format(new Date(`${day}T00:00:00Z`));
export const fullDate = (day) => full.format(new Date(`${day}T00:00:00Z`));
export const moment = (time) => moments.format(new Date(time));
export const plural = (n, one, many) => `${number(n)} ${n === 1 ? one : many}`;
