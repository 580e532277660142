// The API below the page, and what it answers.

export class Problem extends Error {
  constructor(status, body = {}, retry = null) {
    super(body.detail ?? `status ${status}`);
    this.status = status;
    this.code = body.code ?? null;
    this.detail = body.detail ?? null;
    this.retry = retry;      // seconds
  }
}

export class Api {
  #token;
  #fetch;
  #known = new Map();        // path: {etag, data}

  constructor(token, fetch_ = (...args) => fetch(...args)) {
    this.#token = token;
    this.#fetch = fetch_;
  }

  // What did not change is not sent again, and is the same object as before.

  async get(path, signal) {
    const known = this.#known.get(path);
    const answer = await this.#send(path, {
      signal,
      headers: known ? { 'If-None-Match': known.etag } : {},
    });

    if (answer.status === 304 && known) {
      return known.data;
    }

    const data = await read(answer);
    const etag = answer.headers.get('ETag');

    if (etag) {
      this.#known.set(path, { etag, data });
    }

    return data;
  }

  // Whether the place of this page wants a token, as the page itself is told.

  async wantsToken() {
    const answer = await this.#send('./', { method: 'HEAD', headers: {} });
    return answer.headers.get('Referral-Auth') === 'bearer';
  }

  post(path, body) {
    return this.#send(path, {
      method: 'POST',
      headers: body ? { 'Content-Type': 'application/json' } : {},
      body: body && JSON.stringify(body),
    }).then(read);
  }

  async #send(path, { headers, ...options }) {
    try {
      return await this.#fetch(path, {
        ...options,
        cache: 'no-store',
        credentials: 'same-origin',
        redirect: 'error',
        headers: {
          ...headers,
          ...(this.#token && { Authorization: `Bearer ${this.#token}` }),
        },
      });
    } catch {
      throw new Problem(0);
    }
  }
}

// The health of a store that is down is 503 and no problem document.

async function read(answer) {
  const type = answer.headers.get('Content-Type') ?? '';
  const text = await answer.text().catch(() => {
    throw new Problem(0);
  });
  const data = /^application\/(problem\+)?json/.test(type)
    ? JSON.parse(text) : text;

  if (answer.ok || (answer.status === 503 && data.status === 'down')) {
    return data;
  }

  throw new Problem(answer.status, typeof data === 'object' ? data : {},
    Number(answer.headers.get('Retry-After')) || null);
}

export const query = (path, args) => {
  const given = Object.entries(args)
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([key, value]) => `${key}=${encodeURIComponent(value)}`);

  return given.length ? `${path}?${given.join('&')}` : path;
};
