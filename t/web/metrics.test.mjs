import assert from 'node:assert/strict';
import { test } from 'node:test';

import { commitTime, drops, parse, value } from '../../web/dashboard/metrics.js';

const TEXT = `# TYPE referral_rewards gauge
# HELP referral_rewards Rewards by state.
referral_rewards{program="friends",result="approved"} 4
referral_rewards{program="friends",result="void"} 1
referral_rewards{program="a\\"b\\\\c\\nd",result="approved"} 2
referral_clicks_lost_total 0
referral_commit_errors_total 3
referral_commit_seconds_count 10
referral_commit_seconds_sum 0.050
# EOF
`;

const commits = (count, sum) => parse(`referral_commit_seconds_count ${count}
referral_commit_seconds_sum ${sum}
`);

test('samples', () => {
  const samples = parse(TEXT);

  assert.equal(samples.length, 7);
  assert.equal(value(samples, 'referral_rewards', { result: 'approved' }), 6);
  assert.equal(value(samples, 'referral_rewards', { program: 'a"b\\c\nd' }), 2);
  assert.equal(value(samples, 'referral_none'), 0);
});

test('what was dropped, in words', () => {
  assert.deepEqual(drops(parse(TEXT)).map(({ n, words }) => [n, words]),
    [[3, 'commits that failed']]);
});

test('how long a commit takes, lately', () => {
  assert.equal(commitTime(commits(10, 0.05), null), 5);
  assert.equal(commitTime(commits(12, 0.07), commits(10, 0.05)).toFixed(3),
    '10.000');
  assert.equal(commitTime(commits(10, 0.05), commits(10, 0.05)), 5);
  assert.equal(commitTime(commits(0, 0), null), null);

  // another worker, or nginx was restarted

  assert.equal(commitTime(commits(2, 0.02), commits(10, 0.05)), 10);
});
