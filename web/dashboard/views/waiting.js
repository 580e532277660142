import { count } from '../counts.js';
import { $, each, el, fill, rest, say } from '../dom.js';
import { money } from '../../money.js';
import { value } from '../metrics.js';
import { LOCALE, moment, number } from '../text.js';
import { ago, method, reason } from '../words.js';

const STATES = new Map([
  ['approved', 'to hand out'], ['pending', 'on hold'], ['held', 'held'],
]);

const ACTIONS = {
  approve: ['Approve', (what) => `Approve ${what}`],
  claim: ['Mark as claimed', (what) => `Mark as claimed: ${what}`],
  void: ['Void', (what) => `Void ${what}`],
  confirm: ['Void for good', (what) => `Void for good: ${what}`],
  keep: ['Keep', (what) => `Keep ${what}`],
};

const LOOKS = { void: 'quiet', keep: 'quiet', confirm: 'danger' };

function button(action, what, click) {
  const [text, name] = ACTIONS[action];

  return el('button', {
    type: 'button',
    'data-action': action,
    class: LOOKS[action] ?? 'primary',
    'aria-label': name(what),
    click,
  }, text);
}

// Voiding is final, and asks first: Keep is where Void was.

function buttons(what, actions, decide) {
  if (!decide) {
    return null;
  }

  const box = el('div', { class: 'actions', role: 'group' });
  const usual = actions.map((action) => button(action, what,
    ({ currentTarget }) => (action === 'void' ? turn(sure)
      : decide(currentTarget, action))));
  const sure = [
    button('confirm', what, (event) => decide(event.currentTarget, 'void')),
    button('keep', what, () => turn(usual)),
  ];

  function turn(to) {
    box.setAttribute('aria-label', to === sure
      ? `Void ${what}? That cannot be undone.` : what);
    box.replaceChildren(...to);
    rest($('waiting'));
    to.at(-1).focus({ preventScroll: true });
  }

  box.addEventListener('keydown', ({ key }) => {
    if (key === 'Escape' && sure[1].isConnected && !sure[1].disabled) {
      turn(usual);
    }
  });

  box.setAttribute('aria-label', what);
  box.append(...usual);
  return box;
}

const time = (text) => el('time', { datetime: text, title: moment(text) },
  ago(Date.parse(text), Date.now(), LOCALE));

// What there is to judge by.

function evidence({ attribution: by, customer_id: customer, recorded_at: at,
  occurred_at: occurred, source }) {
  const seconds = by.clicked_at
    && (Date.parse(occurred ?? at) - Date.parse(by.clicked_at)) / 1000;

  return [
    ['Credited by', method(by.method)],
    ['Clicked', by.clicked_at && `${moment(by.clicked_at)}, ${seconds < 0
      ? 'after the order' : `${span(seconds)} before the order`}`],
    ['Channel', by.channel],
    ['Customer', customer],
    ['Reported by', source],
  ].filter(([, text]) => text);
}

function span(seconds) {
  const [unit, size] = seconds < 120 ? ['second', 1]
    : seconds < 7200 ? ['minute', 60]
      : seconds < 172800 ? ['hour', 3600] : ['day', 86400];

  return new Intl.NumberFormat(LOCALE, {
    style: 'unit', unit, unitDisplay: 'long', maximumFractionDigits: 0,
  }).format(seconds / size);
}

function facts(list) {
  return el('dl', { class: 'evidence' }, list.map(([name, text]) =>
    el('div', {}, el('dt', {}, name), el('dd', {}, text))));
}

function order(item, { pick, decide }) {
  const { order_id: id, event, amount, currency, code, reasons } = item;

  return el('li', { 'data-order': id, tabindex: '-1' },
    el('p', { class: 'title' },
      el('b', {}, id), ` ${event}`,
      amount !== null && [' \u00b7 ', money(amount, currency, LOCALE)],
      code && [' \u00b7 ', pick(code)]),
    el('p', { class: 'hint' }, 'reported ', time(item.recorded_at)),
    el('ul', { class: 'reasons' }, reasons.map((name) => el('li', {
      'data-reason': name, title: name,
    }, reason(name)))),
    el('details', {},
      el('summary', {}, 'Evidence', el('span', { class: 'hidden' },
        ` of order ${id}`)),
      el('p', {}, item.why), facts(evidence(item))),
    buttons(`order ${id}`, ['approve', 'void'],
      decide && ((node, action) => decide(node, action, `order ${id}`,
        `v1/conversions/${encodeURIComponent(id)}/${action}`))));
}

const MOVES = {
  approved: ['claim', 'void'], pending: ['approve', 'void'],
  held: ['approve', 'void'],
};

function worth({ amount, currency, value: text }) {
  return amount === null ? text
    : `${money(amount, currency, LOCALE)} (${text})`;
}

function reward(item, { pick, decide }) {
  const { id, name, to, state, code, customer_id: customer } = item;
  const what = worth(item);

  return el('li', { 'data-reward': id, tabindex: '-1' },
    el('p', { class: 'title' },
      el('b', {}, name), what && ` ${what}`,
      ' \u00b7 ', to === 'friend'
        ? `to the friend${customer ? ` ${customer}` : ''} of ` : 'to ',
      pick(code)),
    el('p', { class: 'hint' }, 'made ', time(item.created_at), [
      '',
      `reward ${id}`,
      item.order_id && `order ${item.order_id}`,
      item.owner && `owner ${item.owner}`,
      state === 'pending' && item.approves_at
        && `on hold until ${moment(item.approves_at)}`,
    ].filter((text) => text || text === '').join(', ')),
    buttons(`reward ${id}`, MOVES[state] ?? [],
      decide && ((node, action) => decide(node, action, `reward ${id}`,
        `v1/rewards/${id}/${action}`))));
}

// Of one code there are sums of the referrer's rewards alone, while the list
// has those of friends, too: no number then.

function states({ person, metrics }, waits) {
  const of = (state) => (person ? '' : ` (${number(value(metrics,
    'referral_rewards', { result: state }))})`);

  if (document.activeElement === $('reward-state')) {
    return;
  }

  fill($('reward-state'), [...STATES].map(([state, text]) =>
    el('option', { value: state }, `${text}${of(state)}`)));
  $('reward-state').value = waits;
}

const mine = (item, code) => !code
  || (item.code ?? '').toLowerCase() === code.toLowerCase();

// What was decided stays for a while, but in no other list.

function rows(list, of, ...items) {
  if (list.dataset.of !== of) {
    list.querySelectorAll('[data-stays]').forEach((row) => row.remove());
    list.dataset.of = of;
  }

  return each(list, ...items);
}

// Behind the figures as soon as something waits for somebody, and it stays
// there: what was decided last does not carry the page away.

function raise(orders, rewards, { person, metrics }) {
  const due = ['approved', 'held'].some((state) => (person
    ? count(person.rewards[state])
    : value(metrics, 'referral_rewards', { result: state })) > 0);
  const focus = document.activeElement;

  if (orders.length + rewards.length === 0 && !due) {
    return;
  }

  if ($('summary').nextElementSibling !== $('waiting')) {
    $('summary').after($('waiting'));
    focus.focus({ preventScroll: true });
  }
}

// tools: pick(code) makes a button, decide is null with a token that may read
// only.

export function waiting(data, { filter, tools }) {
  const orders = data.held.data.filter((item) => mine(item, filter.code));
  const rewards = data.rewards.data;

  const moved = [
    rows($('held'), filter.code, orders, (item) => item.order_id,
      (item) => order(item, tools)),
    rows($('rewards'), `${filter.waits} ${filter.code}`, rewards,
      (item) => item.id, (item) => reward(item, tools)),
  ];

  if (moved.includes(true)) {
    rest($('waiting'));
  }

  raise(orders, rewards, data);
  states(data, filter.waits);

  say($('held-note'), orders.length > 0 ? '' : data.held.next
    ? `None of this code among the first ${data.held.data.length} held orders.`
    : 'No order is held.');
  say($('rewards-note'), rewards.length === 0
    ? `No reward is ${STATES.get(filter.waits)}.` : '');
  $('held-more').hidden = !data.held.next;
  $('rewards-more').hidden = !data.rewards.next;
}
