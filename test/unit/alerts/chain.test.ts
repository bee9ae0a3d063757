/** Alerts about people who are not answered, while every connection is live. */
import { describe, expect, it } from 'vitest';
import { TROUBLES } from '../../../src/status/chain.ts';
import { trouble } from '../../support/in-chain.ts';
import { inShort, Looks, SECOND } from './looks.ts';

const AWAY = trouble({ kind: 'agent-away', link: 'answer', subject: 'main', reason: 'the agent is out of reach' });

describe('an agent that is away', () => {
  it('is told once, after as long as a connection that is down, and when it is back (G04)', () => {
    const looks = new Looks(['qq-main']);
    looks.pass(10);
    looks.troubles = [AWAY];
    expect(looks.pass(60)).toEqual([]);
    const [told, ...more] = looks.pass(20);
    expect([told?.title, more]).toEqual(['ALERT: nobody is answered: the agent gives no answers', []]);
    expect(told?.text).toMatch(/the agent is out of reach/);
    looks.troubles = [];
    expect(looks.pass(20).map(inShort)).toEqual(['recovered agent main']);
  });

  it('is not told when it is back within the time, as after its restart', () => {
    const looks = new Looks(['qq-main']);
    looks.pass(10);
    looks.troubles = [AWAY];
    looks.pass(40);
    looks.troubles = [];
    expect(looks.pass(120)).toEqual([]);
  });

  it('is one alert, whatever number of conversations wait for it', () => {
    const looks = new Looks(['a', 'b']);
    const waits = (subject: string) => trouble({ kind: 'unanswered', link: 'answer', subject, connection: subject });
    looks.troubles = [AWAY, waits('a'), waits('b')];
    expect(looks.pass(100).map(inShort)).toEqual(['firing agent main']);
    looks.troubles = [waits('a'), waits('b')];
    expect(looks.pass(100).map(inShort)).toContain('firing agent a,b');
  });

  it('gets its time after a night in which nobody watched', () => {
    const looks = new Looks(['qq-main']);
    looks.pass(10);
    looks.skip(8 * 3_600);
    looks.troubles = [{ ...AWAY, since: new Date(looks.now - 8 * 3_600 * SECOND).toISOString() }];
    expect(looks.pass(50)).toEqual([]);
    expect(looks.pass(30)).toHaveLength(1);
  });
});

it('tells an agent that refuses, and a queue that is limited, within seconds (G23, H5)', () => {
  const looks = new Looks(['qq-main']);
  looks.pass(10);
  looks.troubles = [
    trouble({ kind: 'agent-refuses', link: 'answer', subject: 'main' }),
    trouble({ kind: 'queue-settings', link: 'turn', subject: 'turns' }),
  ];
  expect(looks.pass(20).map(inShort).sort()).toEqual(['firing agent main', 'firing queue turns']);
});

it('tells a queue that was put right, though all is well again (H5)', () => {
  const looks = new Looks(['qq-main']);
  looks.pass(10);
  const since = new Date(looks.now).toISOString();
  looks.troubles = [trouble({ kind: 'queue-settled', link: 'turn', subject: 'turns', state: 'watch', since })];
  expect(looks.pass(10).map(({ title }) => title)).toEqual([
    'ALERT: somebody else changed the settings of the queue turns',
  ]);
});

it('wakes nobody for what is only worth a look, nor for what another rule tells', () => {
  const looks = new Looks(['qq-main']);
  looks.troubles = [
    ...TROUBLES.filter((kind) => kind !== 'queue-settled').map((kind) =>
      trouble({ kind, link: 'turn', subject: 'x', state: 'watch' }),
    ),
    trouble({ kind: 'disconnected', link: 'received', subject: 'qq-main' }),
    trouble({ kind: 'no-sweep', link: 'received', subject: 'scheduler' }),
    trouble({ kind: 'dead-letters', link: 'sent', subject: 'qq-main' }),
    trouble({ kind: 'storage', link: 'stored', subject: 'Redis' }),
  ];
  expect(looks.pass(300)).toEqual([]);
});
