import { describe, expect, it } from 'vitest';
import { Outage } from '../../../src/workers/outage.ts';

function outage() {
  let now = 0;
  const one = new Outage({ now: () => now, monotonic: () => now });
  return {
    levels: (...states: Parameters<Outage['levelOf']>[0][]) => states.map((state) => one.levelOf(state)),
    pass: (ms: number) => {
      now += ms;
    },
  };
}

describe('the log of a connection', () => {
  it('takes the loss of a socket for routine', () => {
    expect(outage().levels('connecting', 'live', 'waiting', 'connecting', 'live')).toEqual([
      'info',
      'info',
      'warn',
      'info',
      'info',
    ]);
  });

  it('says at error level that coming back has failed, once', () => {
    const { levels } = outage();
    levels('connecting', 'live', 'waiting');
    expect(levels('connecting', 'waiting', 'connecting', 'waiting')).toEqual(['info', 'error', 'info', 'warn']);
  });

  it('says it again while it goes on, and anew in the next outage', () => {
    const { levels, pass } = outage();
    expect(levels('connecting', 'waiting')).toEqual(['info', 'error']);
    pass(61_000);
    expect(levels('connecting', 'waiting')).toEqual(['info', 'error']);
    expect(levels('connecting', 'live', 'waiting', 'connecting', 'waiting').at(-1)).toBe('error');
  });

  it('says at error level that the very first attempt has failed', () => {
    expect(outage().levels('connecting', 'waiting')).toEqual(['info', 'error']);
  });
});
