import { choices, chosen, standings } from '../board.js';
import { $, each, el, fill, say } from '../dom.js';
import { LOCALE, number, plural } from '../text.js';
import { ago } from '../words.js';

function options(select, list, value) {
  fill(select, list.map((choice) => el('option', { value: choice.value },
    choice.text)));
  select.value = value;
}

function row({ rank, code, name, points, tied, behind, here }, pick) {
  return el('tr', { 'data-code': code, class: here ? 'here' : null },
    el('td', { class: 'rank' }, tied
      ? [el('span', { 'aria-hidden': 'true' }, `=${rank}`),
        el('span', { class: 'hidden' }, `${rank}, tied`)] : String(rank)),
    el('th', { scope: 'row' }, pick(code), name && el('span', { class: 'name' },
      name)),
    el('td', { class: 'number' }, number(points)),
    el('td', { class: 'number' }, behind > 0 ? number(behind) : '\u2013'));
}

function words({ data, frozen, as_of: asOf, next }, now) {
  if (data.length === 0) {
    return 'Nobody has points here yet.';
  }

  return [
    frozen ? 'This contest has ended.'
      : `As of ${ago(Date.parse(asOf), now, LOCALE)}.`,
    next ? `The first ${plural(data.length, 'code', 'codes')}.` : '',
  ].join(' ').trim();
}

function note(board, { gone, now }) {
  return [
    gone && `There is no contest ${gone} any more: these are the points of the `
      + 'month.',
    words(board, now),
  ].filter(Boolean).join(' ');
}

export function leaders({ board, program }, at) {
  const { filter, span, today, pick } = at;
  const value = chosen(filter, span);

  options($('board'), choices(program.contests, today, value), value);
  each($('leaders-table').tBodies[0], standings(board.data)
    .map((entry) => ({
      ...entry,
      here: entry.code.toLowerCase() === filter.code.toLowerCase(),
    })), (entry) => entry.code, (entry) => row(entry, pick));
  say($('leaders-note'), note(board, at));
}
