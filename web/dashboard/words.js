// What is said to people.

const REASONS = new Map(Object.entries({
  no_evidence: 'no token, click or code came with it',
  token_expired: 'its token is older than the window',
  token_invalid: 'its token is not signed by this program',
  token_code_unknown: 'the code in its token is unknown or has ended',
  click_unknown: 'its click is not known',
  click_expired: 'its click is older than the window',
  click_not_human: 'its click was not made by a person',
  code_unknown: 'the code named with it is unknown',
  code_ended: 'the code named with it is paused or has ended',
  self_referral: 'the customer owns the code',
  below_minimum: 'its amount is below the minimum',
  once_per_customer: 'the customer had this event before',
  customer_missing: 'no customer was named',
  refunded_before: 'refunds came before it',
  refund_cut: 'refunds were more than its amount',
  voided: 'it was voided by a decision',
  velocity: 'there were too many of its code or network lately',
  too_soon: 'it came too soon after its click',
  before_click: 'it occurred before its click',
  per_click: 'its click has brought too many',
  over_amount: 'its amount is above the limit for review',
  released: 'it was held and approved by a decision',
}));

export const reason = (name) => REASONS.get(name) ?? name;

const METHODS = new Map(Object.entries({
  token: 'a signed token',
  customer: 'the customer, bound to the code earlier',
  click: 'the id of a click',
  code: 'a code named with the order',
  none: 'nothing',
}));

export const method = (name) => METHODS.get(name) ?? name;

// A failed request: status 0 is no answer at all.

export function problem({ status, code, detail }) {
  if (code === 'invalid_signature') {
    return 'This program wants signed requests, which a page cannot make.';
  }

  switch (status) {
    case 0:
      return 'The server does not answer. Is there a connection?';
    case 401:
      return 'This token is not known here. It was withdrawn, or nginx was not '
        + 'reloaded since it was made.';
    case 403:
      return detail ? `Not allowed: ${detail}.`
        : 'The server does not allow that.';
    case 404:
      return detail ? `Not found: ${detail}.` : 'There is no such thing here.';
    case 409:
      return detail ? `Not possible any more: ${detail}.`
        : 'Somebody else has decided otherwise.';
    case 429:
      return 'Too many requests. Wait a moment.';
    case 503:
      return 'The store cannot be read or written just now. Links go on '
        + 'redirecting.';
    default:
      return detail ? `The server says: ${detail}.`
        : `The server answered with status ${status}.`;
  }
}

// "3 minutes ago", "in 2 days".

const SPANS = [
  ['year', 365 * 86400], ['month', 30 * 86400], ['day', 86400],
  ['hour', 3600], ['minute', 60], ['second', 1],
];

export function ago(then, now, locale) {
  const seconds = (then - now) / 1000;
  const [unit, size] = SPANS.find(([, n]) => Math.abs(seconds) >= n)
    ?? SPANS.at(-1);

  return new Intl.RelativeTimeFormat(locale, { numeric: 'auto' })
    .format(Math.trunc(seconds / size), unit);
}

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB'];

export function bytes(n) {
  const i = Math.min(UNITS.length - 1,
    n > 0 ? Math.floor(Math.log2(n) / 10) : 0);
  const size = n / 1024 ** i;

  const text = size < 10 && i > 0 ? size.toFixed(1) : Math.round(size);

  return `${text} ${UNITS[i]}`;
}
