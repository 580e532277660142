import { count, top } from '../counts.js';
import { $, each, el, say } from '../dom.js';
import { number } from '../text.js';
import { problem } from '../words.js';

function bar(n, most) {
  const part = el('span', { class: 'bar-of', 'aria-hidden': 'true' });

  part.style.width = `calc((100% - .5rem) * ${most > 0 ? n / most : 0})`;

  return el('td', { class: 'number' }, part, el('span', {}, number(n)));
}

const note = (table) => table.parentElement.querySelector('p');

function rows(table, list, key, cell) {
  const most = Math.max(0, ...list.map((row) => count(row.clicks.human)));
  const items = list.map((row) => ({ row, most }));

  each(table.tBodies[0], items, ({ row }) => row[key] ?? '', ({ row }) =>
    el('tr', { 'data-key': row[key] ?? '' },
      el('th', { scope: 'row' }, cell(row[key])),
      bar(count(row.clicks.human), most),
      el('td', { class: 'number' }, number(count(row.clicks.total)))));

  say(note(table), list.length === 0 ? 'No clicks in this period.' : '');
}

export function sources({ channels, landings }) {
  rows($('channels'), top(channels.data, 8), 'channel',
    (name) => name ?? el('i', {}, 'none'));
  rows($('landings'), top(landings.data, 8), 'landing',
    (name) => name ?? el('i', {}, 'none'));
}

// {} while the codes are being counted.

export function codes({ data, failure }, pick) {
  const table = $('codes');

  table.setAttribute('aria-busy', String(!data && !failure));

  if (data || !failure) {
    rows(table, top(data?.data ?? [], 8), 'code', pick);
  }

  if (!data) {
    say(note(table), failure ? problem(failure) : 'Counting all codes\u2026');
  }
}
