/** What a running process takes over of another configuration, and what it says waits for a restart. */
import { describe, expect, it } from 'vitest';
import { changesBetween, isEmpty, takenOver, waitingForRestart } from '../../../src/run/config-changes.ts';
import { load } from '../config/load.ts';

const qq = (id: string, more = '') =>
  `  - { id: ${id}, platform: qq, appId: "102000000", clientSecret: top-secret-value${more} }\n`;
const config = (connections: string, more = '') => load(`${more}\nconnections:\n${connections}`);

describe('another configuration', () => {
  const running = config(qq('qq-a') + qq('qq-b'));

  it('is none when nothing differs', () => {
    const same = config(qq('qq-a') + qq('qq-b'), '# a remark');
    expect(isEmpty(changesBetween(running, same))).toBe(true);
    expect(waitingForRestart(running, same)).toEqual([]);
  });

  it('names only the connections that differ', () => {
    const next = config(qq('qq-a') + qq('qq-c'));
    expect(changesBetween(running, next)).toEqual({ added: ['qq-c'], changed: [], removed: ['qq-b'], groups: [] });
  });

  it.each([
    ['an option', ', pingEveryMs: 9000'],
    ['that it should not run', ', enabled: false'],
    ['what becomes of a late reply', ', lateReply: drop'],
    ['a proxy', ', proxy: direct'],
  ])('sees %s', (_, more) => {
    const next = config(qq('qq-a') + qq('qq-b', more));
    expect(changesBetween(running, next)).toEqual({ added: [], changed: ['qq-b'], removed: [], groups: [] });
  });

  it('sees another secret', () => {
    const text = qq('qq-a') + qq('qq-b').replace('top-secret-value', 'another-secret');
    expect(changesBetween(running, config(text)).changed).toEqual(['qq-b']);
  });

  it('takes agent and alerts over, too', () => {
    const agent = config(qq('qq-a') + qq('qq-b'), 'agent: { kind: echo, delayMs: 5 }');
    expect(changesBetween(running, agent).groups).toEqual(['agent']);
    const alerts = config(qq('qq-a') + qq('qq-b'), 'alerts: { downAfterMs: 5000 }');
    expect(changesBetween(running, alerts).groups).toEqual(['alerts']);
    expect(takenOver(running, alerts).alerts.downAfterMs).toBe(5_000);
  });

  it('says which keys wait for a restart, and leaves them as they were', () => {
    const next = config(
      qq('qq-a'),
      'timings: { renewEveryMs: 1000 }\nredis: { url: "redis://127.0.0.1:1/0" }\nhttp: false\nlog: { level: warn }',
    );
    expect(waitingForRestart(running, next).sort()).toEqual(['http', 'log.level', 'redis.url', 'timings.renewEveryMs']);
    const after = takenOver(running, next);
    expect(after.timings).toEqual(running.timings);
    expect(after.redis).toEqual(running.redis);
    expect(after.connections.map(({ id }) => id)).toEqual(['qq-a']);
    // Back as it was: nothing waits any more.
    expect(waitingForRestart(after, running)).toEqual([]);
  });
});
