// What is looked at, kept in the fragment of the URL: that reloads and can be
// passed on, and no code gets into an access log.

import { range } from './period.js';

export const DEFAULTS = Object.freeze({
  period: '7d', code: '', board: '', waits: 'approved',
});

export const WAITS = ['approved', 'pending', 'held'];

const CODE = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const BOARD = /^(all|\d{4}-\d\d|[a-z0-9][a-z0-9_-]{0,31})$/;

export const isCode = (text) => CODE.test(text);

const valid = {
  period: (text) => range(text, 0) !== null,
  code: isCode,
  board: (text) => BOARD.test(text),
  waits: (text) => WAITS.includes(text),
};

// What is not understood is as if it were not there.

export function parse(fragment) {
  const given = new URLSearchParams(fragment.replace(/^#/, ''));
  const filter = { ...DEFAULTS };

  for (const [name, is] of Object.entries(valid)) {
    const text = given.get(name);

    if (text !== null && is(text)) {
      filter[name] = text;
    }
  }

  return filter;
}

export function format(filter) {
  const given = new URLSearchParams();

  for (const [name, usual] of Object.entries(DEFAULTS)) {
    if (filter[name] && filter[name] !== usual) {
      given.set(name, filter[name]);
    }
  }

  const text = given.toString();

  return text ? `#${text}` : '';
}
