// Looks again and again while the page is seen.

export const EVERY = 5000;
export const LONGEST = 60000;

// Until the next look, after so many failures in a row.

export function delay(failures, retry = null) {
  return failures === 0 ? EVERY
    : Math.max(Math.min(EVERY * 2 ** (failures - 1), LONGEST),
      (retry ?? 0) * 1000);
}

export class Live {
  #look;
  #tell;
  #page;
  #timer = null;
  #failures = 0;
  #running = null;
  #again = false;
  #stopped = true;

  // look: resolves, or rejects with what failed.  tell: (state, failure, ms).

  constructor(look, tell, page = document) {
    this.#look = look;
    this.#tell = tell;
    this.#page = page;
    page.addEventListener('visibilitychange', () => this.#seen());
  }

  start() {
    this.#stopped = false;
    this.#failures = 0;
    return this.now();
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  // At once, and not twice at a time: what asks meanwhile gets a look that
  // began after it.

  now() {
    clearTimeout(this.#timer);

    if (this.#running) {
      this.#again = true;
      return this.#running;
    }

    this.#running = this.#once().finally(() => {
      this.#running = null;
    });

    return this.#running;
  }

  async #once() {
    let failure = null;

    do {
      this.#again = false;
      failure = await this.#look().then(() => null, (reason) => reason);
    } while (this.#again && !this.#stopped);

    this.#failures = failure ? this.#failures + 1 : 0;
    this.#wait(failure);
  }

  #wait(failure) {
    if (this.#stopped) {
      return;
    }

    if (this.#page.hidden) {
      this.#tell('paused', null, 0);
      return;
    }

    const ms = delay(this.#failures, failure?.retry);

    this.#timer = setTimeout(() => this.now(), ms);
    this.#tell(failure ? 'error' : 'live', failure, ms);
  }

  #seen() {
    if (this.#stopped) {
      return;
    }

    if (this.#page.hidden) {
      clearTimeout(this.#timer);
      this.#tell('paused', null, 0);
    } else {
      this.now();
    }
  }
}
