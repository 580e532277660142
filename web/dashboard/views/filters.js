import { isCode } from '../filter.js';
import { $, el, fill, say } from '../dom.js';
import { LONGEST, NAMES, isDay, length } from '../period.js';
import { fullDate } from '../text.js';

const CUSTOM = 'custom';

// change(part of a filter) is called for what was chosen.

export function filters(change) {
  fill($('period'), [...NAMES, [CUSTOM, 'From \u2026 to \u2026']].map(
    ([value, text]) => el('option', { value }, text)));

  $('period').addEventListener('change', ({ target: { value } }) => {
    $('custom').hidden = value !== CUSTOM;

    if (value === CUSTOM) {
      $('from').focus();
    } else {
      change({ period: value });
    }
  });

  for (const id of ['from', 'to']) {
    $(id).addEventListener('change', () => custom(change));
  }

  $('filters').addEventListener('submit', (event) => {
    event.preventDefault();
    code(change);
  });

  $('code').addEventListener('search', () => {
    if ($('code').value === '') {
      code(change);
    }
  });

  $('code-clear').addEventListener('click', () => {
    change({ code: '' });
    $('code').focus();
  });

  $('board').addEventListener('change', ({ target: { value } }) =>
    change({ board: value }));
  $('reward-state').addEventListener('change', ({ target: { value } }) =>
    change({ waits: value }));
}

function custom(change) {
  const [from, to] = [$('from').value, $('to').value];

  if (!isDay(from) || !isDay(to)) {
    return;
  }

  if (from > to || length({ from, to }) > LONGEST) {
    wrong(`A period begins before it ends, and has ${LONGEST} days at most.`);
    return;
  }

  wrong('');
  change({ period: `${from}..${to}` });
}

function code(change) {
  const text = $('code').value.trim();

  if (text && !isCode(text)) {
    wrong('A code has letters, digits, "-" and "_" only.', true);
    return;
  }

  wrong('');
  change({ code: text });
}

export function wrong(text, ofCode = false) {
  say($('code-error'), text);
  $('code').setAttribute('aria-invalid', String(ofCode));
}

const span = ({ from, to }) => (from === to ? fullDate(from)
  : `${fullDate(from)} to ${fullDate(to)}`);

export function showFilters(filter, { span: now, prior }) {
  const named = NAMES.has(filter.period);

  $('period').value = named ? filter.period : CUSTOM;
  $('custom').hidden = named;
  $('from').value = now.from;
  $('to').value = now.to;
  $('code-clear').hidden = !filter.code;

  if (document.activeElement !== $('code')) {
    $('code').value = filter.code;
  }

  say($('span'), `${span(now)}, against ${span(prior)}`);
}
