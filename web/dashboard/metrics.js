// The samples of OpenMetrics: {name, labels, value}.

const LINE = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-z]+)="((?:[^"\\]|\\.)*)"/g;

export function parse(text) {
  const samples = [];

  for (const line of text.split('\n')) {
    const [, name, list, value] = LINE.exec(line) ?? [];

    if (name) {
      samples.push({
        name,
        labels: Object.fromEntries([...(list ?? '').matchAll(LABEL)]
          .map(([, key, escaped]) => [key, unescape(escaped)])),
        value: Number(value),
      });
    }
  }

  return samples;
}

function unescape(text) {
  return text.replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c));
}

// The sum of the samples that have these labels.

export function value(samples, name, labels = {}) {
  return samples
    .filter((sample) => sample.name === name && Object.entries(labels)
      .every(([key, want]) => sample.labels[key] === want))
    .reduce((sum, sample) => sum + sample.value, 0);
}

// Milliseconds that a commit took: since the samples before, when there were
// commits since, else since nginx was started.

export function commitTime(now, before) {
  const count = (samples) => value(samples, 'referral_commit_seconds_count');
  const total = (samples) => value(samples, 'referral_commit_seconds_sum');
  const recent = before && count(now) > count(before);
  const n = count(now) - (recent ? count(before) : 0);

  return n > 0
    ? (total(now) - (recent ? total(before) : 0)) / n * 1000 : null;
}

// What was not counted or not stored, in words, for what is not zero.

const DROPS = [
  ['referral_clicks_lost_total', 'clicks redirected but not counted'],
  ['referral_clicks_unflushed_total',
    'durable clicks answered before they were on disk'],
  ['referral_header_events_lost_total',
    'events of X-Referral-Event that could not be stored'],
  ['referral_header_events_refused_total',
    'events of X-Referral-Event that were refused'],
  ['referral_records_refused_total', 'records the store passed over'],
  ['referral_commit_errors_total', 'commits that failed'],
];

export function drops(samples) {
  return DROPS
    .map(([name, words]) => ({ name, words, n: value(samples, name) }))
    .filter(({ n }) => n > 0);
}
