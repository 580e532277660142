// The page of one referrer.  The token comes in the fragment, which no server
// and no Referer ever sees, and leaves the address at once: who copies that to
// share it must not give the page away.

import { words } from './words.js';

const KEPT = 'referral-session';

const $ = (id) => document.getElementById(id);


function element(name, text, attributes = {}) {
  const it = document.createElement(name);

  it.append(...(text === undefined ? [] : [text].flat()));

  for (const [key, value] of Object.entries(attributes)) {
    it.setAttribute(key, value);
  }

  return it;
}

function say(id, text) {
  $(id).textContent = text;
}


// A frame of another site may have no storage: reloading then needs the link
// of the shop again.

function kept(token) {
  try {
    if (token) {
      sessionStorage.setItem(KEPT, token);
    }

    return token || sessionStorage.getItem(KEPT);
  } catch {
    return token;
  }
}

function token() {
  const given = location.hash.slice(1);

  if (given) {
    history.replaceState(null, '', location.pathname + location.search);
  }

  return kept(given);
}


async function ask(session) {
  const answer = await fetch('data', {
    headers: { Authorization: `Bearer ${session}` },
    cache: 'no-store',
    credentials: 'same-origin',
  });

  if (answer.ok) {
    return answer.json();
  }

  throw Object.assign(new Error(), {
    problem: { 401: 'session', 404: 'ended' }[answer.status] || 'later',
  });
}

// What was asked for last is shown, whichever answer comes last.

let asked = 0;

async function load() {
  const session = token();
  const turn = ++asked;
  let data = null;
  let problem = null;

  $('main').setAttribute('aria-busy', 'true');

  try {
    if (!session) {
      throw Object.assign(new Error(), { problem: 'session' });
    }

    data = await ask(session);
  } catch (error) {
    problem = error.problem || 'later';
  }

  if (turn !== asked) {
    return;
  }

  if (problem) {
    refuse(problem);
  } else {
    show(data);
  }

  $('main').setAttribute('aria-busy', 'false');
}

// Nothing is left of what was shown before, the name least of all.

function refuse(problem) {
  $('progress').hidden = true;
  document.title = words.title(null);
  say('title', words.title(null));
  say('problem-text', words.problems[problem]);
  say('again', words.again);
  $('again').hidden = problem !== 'later';
  $('problem').hidden = false;
}


function show(data) {
  $('problem').hidden = true;

  document.title = words.title(data.name);
  say('title', words.title(data.name));

  say('paused', words.paused);
  $('paused').hidden = data.status !== 'paused';

  say('link-title', data.link ? words.link : words.code);
  say('link-hint', data.link ? words.linkHint : words.codeHint);
  $('link').value = data.link || data.code;
  say('copy', words.copy);
  say('copied', '');

  figures(data);
  level(data);
  amounts(data.amounts);
  rewards(data.rewards);

  say('as-of', words.asOf(data.as_of));
  $('progress').hidden = false;
}

function figures(data) {
  const rows = [
    ['clicks', words.clicks, data.clicks.human],
    ['unique', words.people, data.clicks.unique],
    ...Object.entries({ signup: 0, ...data.friends })
      .filter(([name, n]) => n > 0 || name === 'signup')
      .map(([name, n]) => [name, words.event(name), n]),
  ];

  if (Number(data.points) > 0 || data.tier.ladder.length > 0) {
    rows.push(['points', words.points, data.points]);
  }

  say('figures-title', words.figures);
  $('figures').replaceChildren(...rows.map(([name, text, n]) =>
    element('div', [element('dt', text), element('dd', words.number(n))],
      { class: 'card', 'data-figure': name })));
}

function level(data) {
  const { tier } = data;

  $('level').hidden = tier.ladder.length === 0;
  say('level-title', words.level);
  say('level-text', [
    tier.name && words.at(tier.name),
    tier.next ? words.next(tier.remaining, tier.next) : words.top,
  ].filter(Boolean).join(' '));

  const from = tier.ladder.filter((step) => step.reached).pop()?.points || 0;
  const to = tier.ladder.find((step) => !step.reached)?.points;

  $('level-bar').max = to ? to - from : 1;
  $('level-bar').value = to ? Math.max(data.points - from, 0) : 1;

  $('ladder').replaceChildren(...tier.ladder.map((step) =>
    element('li', [
      element('span', words.step(step.name)),
      element('span', step.reached
        ? `${words.stepPoints(step.points)}, ${words.reached}`
        : words.stepPoints(step.points), { class: 'hint' }),
    ], { 'data-reached': step.reached })));
}

function amounts(all) {
  const rows = Object.keys(words.amounts).flatMap((what) =>
    Object.entries(all)
      .filter(([, of]) => Number(of[what]) !== 0)
      .map(([currency, of]) => element('div', [
        element('dt', words.amounts[what]),
        element('dd', words.money(of[what], currency)),
      ], { 'data-amount': what })));

  $('amounts').replaceChildren(...rows);
  $('amounts').hidden = rows.length === 0;
}

function rewards(list) {
  say('rewards-title', words.rewards);
  say('rewards-none', words.noRewards);
  $('rewards-none').hidden = list.length > 0;
  $('rewards').hidden = list.length === 0;

  $('rewards').replaceChildren(...list.map((reward) => {
    const what = reward.amount === null || reward.state === 'void'
      ? words.reward(reward.value, reward.name)
      : words.money(reward.amount, reward.currency);

    return element('li', [
      element('span', what, { class: 'what' }),
      element('span', words.rewardState(reward, what), { class: 'hint' }),
    ], { 'data-state': reward.state });
  }));
}


// In a frame the clipboard may be refused, and asking for it is told on the
// console: what is marked can be copied without.  If not so, then by hand.

async function copy() {
  $('link').focus();
  $('link').select();

  if (document.execCommand('copy')) {
    say('copied', words.copied);
    return;
  }

  try {
    await navigator.clipboard.writeText($('link').value);
    say('copied', words.copied);
  } catch {
    say('copied', words.notCopied);
  }
}


$('copy').addEventListener('click', copy);
$('again').addEventListener('click', load);
$('link').addEventListener('focus', () => $('link').select());
addEventListener('hashchange', () => location.hash.length > 1 && load());

load();
