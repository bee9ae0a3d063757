import { describe, expect, it } from 'vitest';
import { ReadTurns } from '../../../src/http/read-turns.ts';

/** An event loop in hand: a frame costs 1 ms, and `turn` is what follows a turn's reading. */
function loop() {
  let now = 0;
  const due: (() => void)[] = [];
  const handed: string[] = [];
  const turns = new ReadTurns({ now: () => now, afterIo: (run) => void due.push(run) });
  const inlet = (name: string, frames: number) => {
    let n = 0;
    return {
      handOver() {
        handed.push(`${name}${++n}`);
        now += 1;
        return n < frames;
      },
    };
  };
  const turn = () => due.shift()?.();
  return { turns, inlet, turn, handed, due, work: (ms: number) => (now += ms) };
}

describe('ReadTurns', () => {
  it('gives time until the slice of a turn is used up, and again in the next', () => {
    const { turns, turn, work } = loop();
    expect(turns.hasTime()).toBe(true);
    work(9);
    expect(turns.hasTime()).toBe(false);
    turn();
    expect(turns.hasTime()).toBe(true);
  });

  it('hands over what waits for some milliseconds, lets the event loop go on, and comes back', () => {
    const { turns, inlet, turn, handed, due } = loop();
    turns.wait(inlet('a', 20));
    turn();
    expect(handed.length).toBe(20);
    turns.wait(inlet('b', 100));
    turn();
    const first = handed.length;
    expect(first).toBeLessThan(60);
    expect(due).toHaveLength(1);
    while (due.length > 0) turn();
    expect(handed.filter((each) => each.startsWith('b'))).toHaveLength(100);
  });

  it('lets sockets take turns, each with its frames in order', () => {
    const { turns, inlet, turn, handed, due } = loop();
    turns.wait(inlet('a', 100));
    turns.wait(inlet('b', 10));
    while (due.length > 0) turn();
    expect(handed.indexOf('b10')).toBeLessThan(handed.indexOf('a64'));
    expect(handed.filter((each) => each.startsWith('a'))).toEqual(Array.from({ length: 100 }, (_, n) => `a${n + 1}`));
  });

  it('rests when nothing waits', () => {
    const { turns, inlet, turn, due } = loop();
    const one = inlet('a', 3);
    turns.wait(one);
    turns.forget(one);
    turn();
    expect(due).toHaveLength(0);
  });
});
