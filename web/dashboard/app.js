
import { Api, Problem } from './api.js';
import { isBoard } from './board.js';
import { decider } from './decide.js';
import { $, el, rest, say } from './dom.js';
import { downloads } from './downloads.js';
import { format, parse } from './filter.js';
import { Live } from './live.js';
import { joined, load } from './load.js';
import { day } from './period.js';
import { SIZES, codes as codesPath, more, spans } from './requests.js';
import { Seldom } from './seldom.js';
import { forget, keep, token } from './session.js';
import { LOCALE } from './text.js';
import { clicks } from './views/clicks.js';
import { filters, showFilters, wrong } from './views/filters.js';
import { health } from './views/health.js';
import { leaders } from './views/leaders.js';
import { person } from './views/person.js';
import { signin, signedOut } from './views/signin.js';
import { codes, sources } from './views/sources.js';
import { summary } from './views/summary.js';
import { waiting } from './views/waiting.js';
import { ago, problem } from './words.js';

let api = null;
let program = null;
let filter = parse(location.hash);
let last = null;
let sizes = SIZES;
let decided = 0;
let gone = '';          // a contest that was asked for

const live = new Live(look, tell);
const counted = new Seldom((answer) => codes(answer, pick));

function pick(code) {
  return el('button', {
    type: 'button',
    class: 'link',
    title: `Show only ${code}`,
    'data-action': 'pick',
    click: () => change({ code }),
  }, code);
}

function change(part) {
  const next = { ...filter, ...part };

  if (format(next) !== format(filter)) {
    history.pushState(null, '', location.pathname + location.search
      + format(next));
    show(next);
  }
}

function show(next) {
  filter = next;
  sizes = SIZES;
  gone = '';
  showFilters(filter, spans(filter, Date.now()));
  wrong('');

  if (program) {
    $('main').setAttribute('aria-busy', 'true');
    live.now();
  }
}

// Without a token, where none is needed.

async function join() {
  if (!token() && await api.wantsToken()) {
    throw new Problem(401);
  }

  program = await api.get('v1/program');
  say($('program'), program.program);
  document.title = `${program.program} \u00b7 referrals`;
  $('forget').hidden = !token();
  signedOut(false);
}

const VIEWS = [
  [['clicks', 'clicksBefore'], (data, at) => clicks(data, at)],
  [['clicks', 'clicksBefore', 'events', 'eventsBefore', 'metrics'],
    (data) => summary(data)],
  [['channels', 'landings'], (data) => sources(data)],
  [['board'], (data, at) => leaders({ ...data, program }, { ...at, filter,
    gone, today: day(at.now), pick })],
  [['held', 'rewards', 'metrics'], (data) => waiting(data, {
    filter, tools: { pick, decide: program.scope === 'read' ? null : decide },
  })],
  [['health', 'metrics'], (data, at) => health(data, at.now)],
];

function render(found, now) {
  const data = joined(found);
  const at = { ...spans(filter, now), now };
  const place = $('waiting').getBoundingClientRect().top;

  person(data.person);
  showFilters(filter, at);

  for (const [needs, view] of VIEWS) {
    if (needs.every((name) => data[name] !== undefined)) {
      view(data, at);
    }
  }

  for (const node of document.querySelectorAll('time')) {
    say(node, ago(Date.parse(node.dateTime), now, LOCALE));
  }

  if ($('waiting').getBoundingClientRect().top !== place) {
    rest($('waiting'));
  }
}

const unauthorized = (failure) => failure.status === 401
  && failure.code !== 'invalid_signature';

// A contest of a bookmark may have left the configuration.

function forgetBoard() {
  if (isBoard(filter.board, program.contests)) {
    return;
  }

  gone = filter.board;
  filter = { ...filter, board: '' };
  history.replaceState(null, '', location.pathname + location.search
    + format(filter));
}

async function look() {
  const now = Date.now();

  if (!program) {
    await join().catch((failure) => {
      if (unauthorized(failure)) {
        leave(failure);
      } else if (failure instanceof Problem) {
        say($('signin-error'), problem(failure));
      }

      throw failure;
    });
  }

  forgetBoard();

  const asked = filter;
  const before = decided;
  const found = await load(api, { filter: asked, now, sizes }, last);

  // what was asked before a decision may not know of it

  if (asked !== filter || before !== decided || !program) {
    return;
  }

  const failures = Object.values(found.failures);
  const lost = failures.find(unauthorized);
  const unknown = failures.some(({ code }) => code === 'code_not_found');

  if (lost) {
    leave(lost);
    throw lost;
  }

  if (found.failures.board?.code === 'contest_not_found') {
    program = await api.get('v1/program');

    if (!isBoard(filter.board, program.contests)) {
      await look();
      return;
    }
  }

  last = found;
  wrong(unknown ? `There is no code ${asked.code}.` : '', unknown);
  $('main').hidden = unknown;
  $('main').setAttribute('aria-busy', 'false');

  if (found.data.clicks) {
    render(found, now);
    count(now);
  }

  if (failures.length > 0 && !unknown) {
    throw failures[0];
  }
}

// The table of codes, which may take its time.

function count(now) {
  const path = codesPath(filter, now);

  $('codes').parentElement.hidden = path === null;

  if (path === null) {
    counted.forget();
  } else {
    counted.look(api, path, now);
  }
}

const STATES = {
  live: () => 'Live',
  paused: () => 'Paused while this tab is hidden',
  error: (failure, ms) => `${failure instanceof Problem ? problem(failure)
    : 'This page has failed.'} Trying again in ${ms / 1000} seconds.`,
};

function tell(state, failure, ms) {
  $('live').dataset.state = state;
  say($('live'), STATES[state](failure, ms));

  if (failure && !(failure instanceof Problem)) {
    console.error(failure);
  }
}

// Nothing is left for who comes next, nor a button for who may not.

function empty() {
  const all = '#main :is(tbody, .tile, .decisions, #person-facts)';

  for (const node of document.querySelectorAll(all)) {
    node.replaceChildren();
  }

  say($('program'), '');
  document.title = 'Referrals';
}

// The token is not accepted, or not any more.

function leave(failure) {
  const given = token();

  live.stop();
  counted.forget();
  forget();
  program = null;
  last = null;
  empty();
  signedOut(true, given ? problem(failure) : '');
  $('live').dataset.state = 'signed-out';
  say($('live'), 'Not signed in');
}

const decide = (...args) => decider(api, {
  lost: leave,
  done: () => {
    decided += 1;
    live.now();
  },
})(...args);

function enter(text) {
  if (text) {
    keep(text);
  }

  api = new Api(text);

  return live.start();
}

for (const name of ['held', 'rewards']) {
  $(`${name}-more`).addEventListener('click', () => {
    sizes = { ...sizes, [name]: more(sizes[name]) };
    live.now();
  });
}

filters(change);
signin(enter);
downloads(() => ({ api, span: spans(filter, Date.now()).span }));
showFilters(filter, spans(filter, Date.now()));

$('forget').addEventListener('click', () => {
  leave(new Problem(0));
  signedOut(true, '');
});

// A link to an anchor would take the place of the filters in the URL.

$('skip').addEventListener('click', (event) => {
  event.preventDefault();
  $('main').focus();
});

addEventListener('popstate', () => show(parse(location.hash)));

enter(token());
