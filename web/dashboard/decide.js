// Decisions about rewards and held orders.

import { $, say } from './dom.js';
import { problem } from './words.js';

const NOTICE = 10000;

const DONE = {
  approve: 'approved', claim: 'marked as claimed', void: 'voided',
};

// Where the focus goes when its row leaves: the next one, the one before, or
// the title of the list.

function leave(row) {
  const next = row.nextElementSibling ?? row.previousElementSibling
    ?? $(row.parentElement.getAttribute('aria-labelledby'));

  row.remove();
  next.focus();
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

export function decider(api, { lost, done }) {
  return async (button, action, what, path) => {
    const row = button.closest('li');

    say($('alert'), '');
    say($('notice'), '');
    busy(row, true);

    try {
      const { duplicate } = await api.post(path);
      const text = `${what[0].toUpperCase()}${what.slice(1)} `;

      leave(row);
      notice(`${text}${duplicate ? 'was' : 'is'} ${DONE[action]}`
        + `${duplicate ? ' already' : ''}.`);
    } catch (failure) {
      if (failure.status === undefined) {
        throw failure;
      }

      busy(row, false);
      button.focus();
      say($('alert'), `Nothing was changed: ${what} could not be `
        + `${DONE[action]}. ${problem(failure)}`);

      if (failure.status === 401 && failure.code === 'unauthorized') {
        lost(failure);
        return;
      }
    }

    done();
  };
}
