import { count } from '../counts.js';
import { $, el, fill, say } from '../dom.js';
import { number, plural } from '../text.js';

const FLAGS = new Map([
  ['conversion_rate', 'more than half as many events as human clicks'],
]);

function tier({ name, next, remaining }) {
  const more = next
    && `${plural(count(remaining), 'point', 'points')} to ${next}`;
  return [name ?? (next && 'none yet'), more].filter(Boolean).join(', ');
}

function facts(code) {
  return [
    ['Status', code.status],
    ['Owner', code.kind === 'partner' ? `${code.owner} (partner)` : code.owner],
    ['Points', number(count(code.points))],
    ['Tier', tier(code.tier)],
    ['Clicks ever', `${number(count(code.clicks.human))} human of `
      + number(count(code.clicks.total))],
    ['Landing', code.landing],
    ['Look at this', (code.flags ?? []).map((flag) => FLAGS.get(flag) ?? flag)
      .join(', ')],
  ].filter(([, text]) => text);
}

export function person(code) {
  $('person').hidden = !code;

  if (code) {
    say($('person-title'), code.name ? `${code.code} \u00b7 ${code.name}`
      : code.code);
    fill($('person-facts'), facts(code).map(([name, text]) =>
      el('div', {}, el('dt', {}, name), el('dd', {}, text))));
  }
}
