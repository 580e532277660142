import { $, say } from '../dom.js';
import { commitTime, drops } from '../metrics.js';
import { LOCALE, number, percent } from '../text.js';
import { ago, bytes } from '../words.js';

const WORDS = {
  ok: 'All is well', degraded: 'Needs attention', down: 'Down',
};

let earlier = null;

function store({ open, used, level, codes, ...of }) {
  return open ? `${bytes(used)} of ${bytes(of.map_size)} used `
    + `(${percent(of.used_percent)}), level ${level}, ${number(codes)} codes`
    : 'not open';
}

function queue({ records, bytes: used, size }) {
  return records === 0 ? `empty (${bytes(size)} a worker)`
    : `${number(records)} records wait, ${bytes(used)} of ${bytes(size)}`;
}

function commits(samples, last, now) {
  const ms = commitTime(samples, earlier);

  return [
    ms === null ? 'none yet'
      : `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms each`,
    last && `the last one ${ago(Date.parse(last), now, LOCALE)}`,
  ].filter(Boolean).join(', ');
}

export function health({ health: state, metrics }, now) {
  const lost = drops(metrics);
  const node = $('health-status');

  node.dataset.state = state.status;
  say(node, [WORDS[state.status], state.detail].filter(Boolean).join(': '));
  say($('health-store'), store(state.store));
  say($('health-queue'), queue(state.queue));
  say($('health-drops'), lost.length === 0 ? 'nothing since the start of nginx'
    : lost.map(({ n, words }) => `${number(n)} ${words}`).join(', '));
  $('health-drops').dataset.state = lost.length === 0 ? 'ok' : 'degraded';
  say($('health-commit'), commits(metrics, state.last_commit, now));

  if (metrics !== earlier) {
    earlier = metrics;
  }
}
