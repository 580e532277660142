import { events, stack } from '../counts.js';
import { $, el, fill, say } from '../dom.js';
import { unit } from '../period.js';
import { fullDate, number, plural } from '../text.js';
import { Chart, label } from './chart.js';

const UNITS = { day: 'Day', week: 'Week of', month: 'Month' };
const NAMES = ['signup', 'purchase'];

// Bars lie over one another: all clicks, and before them the human ones.

const clicked = new Chart($('clicks-chart'), $('clicks-tip'), [
  { kind: 'bar', colour: 'excluded' },
  { kind: 'bar', colour: 'accent' },
  { kind: 'line', colour: 'before', dash: [5, 4] },
]);

const happened = new Chart($('events-chart'), $('events-tip'), [
  { kind: 'line', colour: 'second' },
  { kind: 'line', colour: 'accent' },
]);

const total = (rows, of) => rows.reduce((n, row) => n + of(row), 0);

function clickSentence(rows) {
  const human = total(rows, (row) => row.human);
  const most = rows.reduce((a, b) => (b.human > a.human ? b : a));

  return `Bar chart: ${plural(human, 'human click', 'human clicks')} and `
    + `${number(total(rows, (row) => row.excluded))} excluded, ${human > 0
      ? `most of them ${fullDate(most.day)} (${number(most.human)} human)`
      : 'none yet'}. The table below has them all.`;
}

function words(row, before) {
  return [`${number(row.human)} human`, `${number(row.excluded)} excluded`,
    before && `${number(before.human)} human before`]
    .filter(Boolean).join(', ');
}

const eventWords = (row) => `${plural(row.signup, 'signup', 'signups')}, `
  + plural(row.purchase, 'purchase', 'purchases');

function table(rows, before, counted, by) {
  say($('clicks-unit'), UNITS[by]);
  $('clicks-legend').lastElementChild.hidden = before.length === 0;
  fill($('clicks-table').querySelector('tbody'), rows.map((row, i) =>
    el('tr', { 'data-day': row.day },
      el('th', { scope: 'row' }, label(row.day, by)),
      [row.human, row.excluded, row.total, before[i]?.human,
        ...NAMES.map((name) => counted[i][name])].map((n) =>
        el('td', {}, n === undefined ? '\u2013' : number(n))))));
}

// Of the months before there is the sum alone.

export function clicks({ clicks: now, clicksBefore }, { span, prior }) {
  const by = unit(span);
  const rows = stack(now.data, span, by);
  const before = by === 'month' ? [] : stack(clicksBefore.data, prior, by);
  const counted = events(now.data, span, by, NAMES);
  const days = rows.map((row) => row.day);

  clicked.show(days, by, [rows.map((row) => row.total),
    rows.map((row) => row.human),
    rows.map((_, i) => before[i]?.human ?? null)],
  (i) => words(rows[i], before[i]), clickSentence(rows));

  happened.show(days, by, NAMES.map((name) => counted.map((row) => row[name])),
    (i) => eventWords(counted[i]),
    `Line chart: ${eventWords({
      signup: total(counted, (row) => row.signup),
      purchase: total(counted, (row) => row.purchase),
    })}. The table below has them by ${by}.`);

  table(rows, before, counted, by);
}
