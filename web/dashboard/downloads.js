// The exports are links; where a token is needed, the file is fetched with it.

import { $, say } from './dom.js';
import { query } from './api.js';
import { token } from './session.js';
import { problem } from './words.js';

const WITH_RANGE = /(conversions|rewards|counters)\.csv$/;

export function downloads(current) {
  for (const link of document.querySelectorAll('a[data-export]')) {
    const file = link.getAttribute('href');

    link.addEventListener('click', async (event) => {
      const { api, span } = current();
      const path = WITH_RANGE.test(file) ? query(file, span) : file;

      if (!token()) {
        link.href = path;
        return;
      }

      event.preventDefault();

      try {
        save(await api.get(path), file.split('/').pop());
      } catch (failure) {
        say($('alert'), `${file} could not be fetched. ${problem(failure)}`);
      }
    });
  }
}

function save(text, name) {
  const url = URL.createObjectURL(new Blob([text], { type: 'text/csv' }));
  const link = document.createElement('a');

  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}
