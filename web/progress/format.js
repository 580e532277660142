// Numbers, days and amounts, as readers of the page's language write them.

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

// Minor units, in a string when they are many.

export function money(amount, currency) {
  const format = new Intl.NumberFormat(locale, { style: 'currency',
    currency });
  const digits = format.resolvedOptions().maximumFractionDigits;
  const text = String(amount).replace('-', '').padStart(digits + 1, '0');
  const whole = text.slice(0, text.length - digits);
  const sign = String(amount).startsWith('-') ? '-' : '';

  return format.format(`${sign}${whole}.${text.slice(whole.length) || '0'}`);
}
