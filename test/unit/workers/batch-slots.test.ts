import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BatchSlots } from '../../../src/workers/batch-slots.ts';

/** As many as a connection gets, beside what others have. */
function fill(slots: BatchSlots): number {
  let inFlight = 0;
  while (slots.take(inFlight)) inFlight += 1;
  return inFlight;
}

describe('batches in flight', () => {
  it('are six of a connection that is flooded alone, and two of each that comes after it', () => {
    const slots = new BatchSlots();
    expect([fill(slots), fill(slots), fill(slots)]).toEqual([6, 2, 2]);
  });

  it('free what goes beyond two as soon as their number falls', () => {
    const slots = new BatchSlots();
    fill(slots);
    slots.giveBack(5);
    expect(fill(slots)).toBe(3);
    slots.giveBack(2);
    slots.giveBack(1);
    expect(fill(slots)).toBe(3);
  });

  it('of any number of connections are two each and four more at most, and none is ever lost', () => {
    const step = fc.record({ pump: fc.nat(4), send: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const slots = new BatchSlots();
        const inFlight = [0, 0, 0, 0, 0];
        for (const { pump, send } of steps) {
          const out = inFlight[pump] ?? 0;
          if (send && slots.take(out)) inFlight[pump] = out + 1;
          if (!send && out > 0) {
            slots.giveBack(out - 1);
            inFlight[pump] = out - 1;
          }
          expect(inFlight.reduce((sum, n) => sum + Math.max(0, n - 2), 0)).toBeLessThanOrEqual(4);
        }
        for (const [pump, out] of inFlight.entries()) {
          for (let n = out; n > 0; n -= 1) slots.giveBack(n - 1);
          inFlight[pump] = 0;
        }
        expect(fill(slots)).toBe(6);
      }),
    );
  });
});
