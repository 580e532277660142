// What the server takes long for: apart from all else, one at a time, and
// while its path stays once a minute at most.

import { Problem } from './api.js';

export const EVERY = 60000;

export class Seldom {
  #tell;
  #asked = null;       // {path, time, abort}

  // tell: ({data} or {failure}, or {} when it has only been asked for).

  constructor(tell) {
    this.#tell = tell;
  }

  forget() {
    this.#asked?.abort.abort();
    this.#asked = null;
  }

  async look(api, path, now) {
    if (this.#asked?.path === path && now - this.#asked.time < EVERY) {
      return;
    }

    const other = this.#asked?.path !== path;
    const asked = { path, time: now, abort: new AbortController() };

    this.forget();
    this.#asked = asked;

    if (other) {
      this.#tell({});
    }

    const answer = await api.get(path, asked.abort.signal).then(
      (data) => ({ data }), (failure) => ({ failure }));

    if (this.#asked !== asked) {
      return;
    }

    if (answer.failure && !(answer.failure instanceof Problem)) {
      throw answer.failure;
    }

    this.#tell(answer);
  }
}
