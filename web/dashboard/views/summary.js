import { brought, change, count, excluded, rate, sum } from '../counts.js';
import { $, el, fill } from '../dom.js';
import { less, money, net } from '../../money.js';
import { LOCALE, number, percent } from '../text.js';
import { value } from '../metrics.js';

// Of one period: what the tiles say.

function totals(clicks, events) {
  const classes = {};

  for (const row of clicks.data) {
    for (const [name, n] of Object.entries(row.clicks.classes)) {
      classes[name] = (classes[name] ?? 0) + count(n);
    }
  }

  const human = sum(clicks.data, (row) => count(row.clicks.human));
  const purchase = brought(events.data, 'purchase');

  return {
    human,
    classes,
    excluded: sum(clicks.data, (row) => count(row.clicks.total)) - human,
    unique: sum(clicks.data, (row) => count(row.clicks.unique)),
    signup: brought(events.data, 'signup'),
    purchase,
    rate: rate(purchase, human),
    amounts: less(net(...events.data.map((row) => row.amounts)),
      net(...events.data.map((row) => row.unattributed_amounts))),
  };
}

const WORDS = { up: 'more than before', down: 'less than before' };
const ARROWS = { up: '\u25b2', down: '\u25bc' };

function size(by) {
  return by === null ? 'new'
    : by >= 1000 ? `\u00d7 ${number(Math.round(by / 100 + 1))}`
      : percent(Math.abs(by));
}

function changed(now, then) {
  const { trend, percent: by } = change(now, then);

  if (trend === 'none') {
    return null;
  }

  if (trend === 'same') {
    return el('span', { class: 'change', 'data-trend': 'same' }, 'as before');
  }

  return el('span', { class: 'change', 'data-trend': trend },
    el('span', { 'aria-hidden': 'true' }, `${ARROWS[trend]} `),
    size(by),
    el('span', { class: 'hidden' }, ` ${WORDS[trend]}`));
}

function tile(id, label, values, note, target = null) {
  fill($(id),
    el('h3', {}, target ? el('a', { href: `#${target}` }, label) : label),
    values.map(({ text, now, then, before }) => el('p', {
      class: values.length > 1 ? 'figure one-of' : 'figure',
    },
      el('span', { class: 'value' }, text),
      ' ', changed(now, then),
      before && el('span', { class: 'before' }, `before: ${before}`))),
    note?.length > 0 && el('p', { class: 'note' }, note));
}

const plain = (now, then) => [{
  text: number(now), now, then, before: number(then),
}];

function amounts(now, then) {
  const currencies = [...new Set([...now.keys(), ...then.keys()])].sort();

  return currencies.map((currency) => {
    const [a, b] = [now, then].map((sums) => sums.get(currency) ?? 0n);

    return (a !== 0n || b !== 0n) && {
      text: money(a, currency, LOCALE),
      now: Number(a),
      then: Number(b),
      before: money(b, currency, LOCALE),
    };
  }).filter(Boolean);
}

const ratio = (n) => (n === null ? '\u2013' : percent(n * 100));

function due({ person, metrics }) {
  const of = (state) => (person ? count(person.rewards[state])
    : value(metrics, 'referral_rewards', { result: state }));
  const payable = Object.entries(person?.amounts ?? {})
    .filter(([, sums]) => count(sums.payable) > 0)
    .map(([currency, sums]) => money(sums.payable, currency, LOCALE));
  const waits = [
    of('pending') && `${number(of('pending'))} on hold`,
    of('held') && `${number(of('held'))} held`,
    ...payable.map((text) => `worth ${text}`),
  ].filter(Boolean);

  return [of('approved'), waits.join(', ') || 'to hand out, at this moment'];
}

// Of an event, or of all.

function statuses(events, event,
  names = ['held', 'refunded', 'rejected', 'unattributed']) {
  const n = (name) => sum(events.data.filter((row) => !event
    || row.event === event), (row) => count(row[name]));

  return names
    .filter((name) => n(name) > 0)
    .map((name) => [name, `${number(n(name))} ${name}`]);
}

// The held ones are a link to them.

const linked = (list) => list.flatMap(([name, text], i) => [
  i > 0 && ', ',
  name === 'held' ? el('a', { href: '#held-title' }, text) : text,
]);

// A link to an anchor would take the place of the filters in the URL.

$('tiles').addEventListener('click', (event) => {
  const link = event.target.closest('a[href^="#"]');

  if (link) {
    event.preventDefault();
    $(link.hash.slice(1)).focus();
  }
});

function table(events) {
  const rows = events.data.map((row) => el('tr', { 'data-event': row.event },
    el('th', { scope: 'row' }, row.event),
    ['count', 'pending', 'approved', 'held', 'refunded', 'unattributed',
      'rejected', 'points'].map((name) => el('td', {},
      number(count(row[name]))))));

  fill($('events').querySelector('tbody'), rows);
}

export function summary(data) {
  const now = totals(data.clicks, data.events);
  const then = totals(data.clicksBefore, data.eventsBefore);
  const [rewards, waits] = due(data);
  const sums = amounts(now.amounts, then.amounts);

  tile('tile-clicks', 'Human clicks', plain(now.human, then.human),
    `${number(now.unique)} unique, ${number(now.excluded)} excluded`);
  tile('tile-signup', 'Signups', plain(now.signup, then.signup),
    linked(statuses(data.events, 'signup')));
  tile('tile-purchase', 'Purchases', plain(now.purchase, then.purchase),
    linked(statuses(data.events, 'purchase')));
  tile('tile-amount', 'Amounts reported',
    sums.length ? sums : [{ text: '\u2013' }],
    sums.length === 0 ? 'no order of a code has an amount'
      : ['of orders credited to a code, net of refunds',
        statuses(data.events, null, ['held', 'rejected']).length > 0
          && 'held and rejected ones included'].filter(Boolean).join(', '));
  tile('tile-rate', 'Conversion rate', [{
    text: ratio(now.rate), now: now.rate, then: then.rate,
    before: ratio(then.rate),
  }], 'purchases for each human click');
  tile('tile-due', 'Rewards due',
    [{ text: number(rewards), now: null, then: null }], waits,
    'rewards-title');
  table(data.events);

  const kinds = excluded(now.classes);

  fill($('excluded'), kinds.length === 0
    ? 'Nothing excluded in this period.'
    : `Excluded: ${kinds.map(([name, n]) => `${number(n)} ${name}`)
      .join(', ')}.`);
}

