// Everything the page shows, asked for at once.

import { Problem } from './api.js';
import { parse } from './metrics.js';
import { AGAIN, requests } from './requests.js';

const PROBE = 'clicks';

// {wanted, data, failures, times}, all by name.  After the first load, what
// tells whether the store changed is asked alone, and the rest only if it did;
// so is what tells that a code is unknown.

export async function load(api, { filter, now, sizes }, last) {
  const wanted = requests(filter, now, sizes);
  const same = JSON.stringify(last?.wanted) === JSON.stringify(wanted);
  const old = same ? last : { data: {}, failures: {}, times: {} };
  const found = { wanted, data: { ...old.data }, failures: {},
    times: { ...old.times } };
  const ask = (name) => one(api, found, name, now);

  if (last || filter.code) {
    await ask(PROBE);

    if (found.failures[PROBE]) {
      return found;
    }
  }

  const still = same && found.data[PROBE] === old.data[PROBE]
    && Object.keys(old.failures).length === 0;

  await Promise.all(Object.keys(wanted)
    .filter((name) => due(name, { still, found, now }))
    .map(ask));

  return found;
}

// The days of a long period, which come in two answers.

export function joined({ wanted, data }) {
  const { clicks, clicksRest, ...others } = data;

  if (!wanted.clicksRest) {
    return data;
  }

  return clicks && clicksRest ? {
    ...others,
    clicks: { ...clicks, data: [...clicks.data, ...clicksRest.data] },
  } : others;
}

function due(name, { still, found, now }) {
  const since = now - (found.times[name] ?? -Infinity);

  return since > 0 && (!still || since >= (AGAIN.get(name) ?? Infinity));
}

async function one(api, found, name, now) {
  try {
    const answer = await api.get(found.wanted[name]);

    found.data[name] = name === 'metrics' ? parse(answer) : answer;
    found.times[name] = now;
  } catch (failure) {
    if (!(failure instanceof Problem)) {
      throw failure;
    }

    found.failures[name] = failure;
  }
}
