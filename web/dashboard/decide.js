// Decisions about rewards and held orders.

import { $, el, rest, say } from './dom.js';
import { problem } from './words.js';

const NOTICE = 10000;
const STAYS = 6000;

const DONE = {
  approve: 'approved', claim: 'marked as claimed', void: 'voided',
};

const capital = (text) => text[0].toUpperCase() + text.slice(1);

// Where the focus goes when its row leaves: the next one, the one before, or
// the title of the list.

function leave(row) {
  if (!row.isConnected) {
    return;
  }

  const had = row.contains(document.activeElement);
  const next = row.nextElementSibling ?? row.previousElementSibling
    ?? $(row.parentElement.getAttribute('aria-labelledby'));

  row.remove();
  rest($('waiting'));

  if (had) {
    next.focus({ preventScroll: true });
  }
}

// The row stays for a while: would the next one take its place at once, a
// second click would decide about that.

function settle(row, words) {
  busy(row, false);
  row.dataset.stays = '';
  row.style.minHeight = `${row.getBoundingClientRect().height}px`;
  row.querySelector('.actions').replaceChildren(
    el('p', { class: 'done' }, words));
  row.focus({ preventScroll: true });
  setTimeout(() => leave(row), STAYS);
}

let fading = null;

function notice(text) {
  clearTimeout(fading);
  say($('notice'), text);
  fading = setTimeout(() => say($('notice'), ''), NOTICE);
}

function busy(row, is) {
  row.setAttribute('aria-busy', String(is));

  for (const button of row.querySelectorAll('button[data-action]')) {
    button.disabled = is;
  }
}

// Of the module each failure is a problem with a code; of what is between, an
// answer that was lost may have been that of a decision taken.

const unknown = ({ status, code }) => status === 0
  || (status >= 500 && code === null);

export function failed(failure, action, what) {
  return unknown(failure)
    ? `It is not known whether ${what} was ${DONE[action]}: the answer was `
      + 'lost. This page looks again; to decide the same again does no harm.'
    : `Nothing was changed: ${what} could not be ${DONE[action]}. `
      + problem(failure);
}

export function decider(api, { lost, done }) {
  return async (button, action, what, path) => {
    const row = button.closest('li');

    say($('alert'), '');
    say($('notice'), '');
    busy(row, true);

    try {
      const { duplicate } = await api.post(path);
      const already = duplicate ? ' already' : '';

      settle(row, `${capital(DONE[action])}${already}`);
      notice(`${capital(what)} ${duplicate ? 'was' : 'is'} ${DONE[action]}`
        + `${already}.`);
    } catch (failure) {
      if (failure.status === undefined) {
        throw failure;
      }

      busy(row, false);
      button.focus();
      say($('alert'), failed(failure, action, what));
      row.scrollIntoView({ block: 'nearest' });

      if (failure.status === 401 && failure.code === 'unauthorized') {
        lost(failure);
        return;
      }
    }

    done();
  };
}
