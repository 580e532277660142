// Every text of the page.  Another language is another object like this one.

import { day, minute, money, number } from './format.js';

const plural = (n, one, many) => `${number(n)} ${Number(n) === 1 ? one : many}`;

export const words = {
  title: (name) => (name ? `${name}, these are your referrals`
    : 'Your referrals'),

  link: 'Your link',
  linkHint: 'Share it with friends. When they join through it, it counts for '
    + 'you.',
  code: 'Your code',
  codeHint: 'Friends enter it when they order. Then it counts for you.',
  copy: 'Copy',
  copied: 'Copied. Paste it wherever your friends are.',
  notCopied: 'It is marked now: copy it with the menu of your browser.',
  paused: 'Your link is paused. What friends do now does not count until it '
    + 'is active again.',

  figures: 'What your link has brought so far',
  clicks: 'Clicks on your link',
  people: 'Different visitors',
  points: 'Points',
  event: (name) => new Map([
    ['signup', 'Friends who joined'],
    ['purchase', 'Orders by friends'],
  ]).get(name) || plain(name),

  level: 'Your level',
  at: (name) => `You have reached ${plain(name)}.`,
  next: (n, name) => `${plural(n, 'point', 'points')} to go until `
    + `${plain(name)}.`,
  top: 'This is the highest level. Thank you!',
  step: (name) => plain(name),
  stepPoints: (n) => plural(n, 'point', 'points'),
  reached: 'reached',

  rewards: 'Your rewards',
  noRewards: 'None yet. Your first one will appear here.',
  reward: (value, name) => value || plain(name),
  rewardState: (reward, what) => [
    what === plain(reward.name) ? '' : `${plain(reward.name)}: `,
    (words.states[reward.state] || String)(reward),
  ].join(''),
  states: {
    pending: (r) => (r.approves_at
      ? `Waiting. It becomes yours after ${day(r.approves_at)}.` : 'Waiting.'),
    held: () => 'We are checking it.',
    approved: () => 'It is yours. You will get it soon.',
    claimed: (r) => (r.claimed_at ? `You got it on ${day(r.claimed_at)}.`
      : 'You got it.'),
    void: () => 'Cancelled.',
  },
  amounts: {
    payable: 'Ready for you',
    pending: 'Waiting',
    held: 'Being checked',
    paid: 'Paid to you',
    owed: 'Paid, but cancelled since',
  },
  money,
  number,

  asOf: (time) => `As of ${minute(time)}.`,
  again: 'Try again',

  problems: {
    session: 'To protect your data, this page opens for a short time only. '
      + 'Open it again from your account in the shop.',
    ended: 'This code has ended. If you think it should not have, ask the '
      + 'shop.',
    later: 'Your referrals cannot be shown right now. Nothing is lost: try '
      + 'again in a moment.',
  },
};

// Names in the configuration are words with "-" or "_" between them.

function plain(name) {
  const text = name.replace(/[-_]+/g, ' ').trim();

  return text.charAt(0).toUpperCase() + text.slice(1);
}
