// Numbers, days and amounts, as readers of the page's language write them.

import { money as exact } from '../money.js';

const LANGUAGE = 'en';

const locale = (navigator.languages || [])
  .find((tag) => tag.split('-')[0] === LANGUAGE) || LANGUAGE;

export function number(n) {
  return new Intl.NumberFormat(locale).format(n);
}

// The day is one of UTC: the reward has no time.

export function day(time) {
  return new Intl.DateTimeFormat(locale, { dateStyle: 'medium',
    timeZone: 'UTC' }).format(new Date(time));
}

export function minute(time) {
  return new Intl.DateTimeFormat(locale, { dateStyle: 'medium',
    timeStyle: 'short' }).format(new Date(time));
}

export function money(amount, currency) {
  return exact(amount, currency, locale);
}
