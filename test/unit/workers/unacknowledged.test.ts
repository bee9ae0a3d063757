import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { IngestItem } from '../../../src/state/ingest.ts';
import { Unacknowledged } from '../../../src/workers/unacknowledged.ts';

const item = (n: number, size = 1): IngestItem => ({
  kind: 'message',
  eventId: String(n),
  lane: 'l',
  entry: 'x'.repeat(size),
  cursor: null,
});
const items = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => item(from + i));
const ids = (taken: readonly IngestItem[] | undefined) => (taken ?? []).map(({ eventId }) => Number(eventId));

describe('Unacknowledged', () => {
  it('hands out at most 128 items at a time, each once', () => {
    const pending = new Unacknowledged();
    pending.push(items(0, 300));
    const sizes = [pending.take(), pending.take(), pending.take(), pending.take()].map((batch) => batch?.items.length);
    expect(sizes).toEqual([128, 128, 44, undefined]);
  });

  it('ends a batch at about 96 Ki characters, and lets a larger item go alone', () => {
    const pending = new Unacknowledged();
    pending.push([item(0, 60_000), item(1, 60_000), item(2, 300_000), item(3)]);
    expect(ids(pending.take()?.items)).toEqual([0, 1]);
    expect(ids(pending.take()?.items)).toEqual([2]);
    expect(ids(pending.take()?.items)).toEqual([3]);
  });

  it('begins with the oldest again after a rewind', () => {
    const pending = new Unacknowledged();
    pending.push(items(0, 3));
    pending.take();
    pending.acknowledge(1);
    pending.rewind();
    expect(pending.take()).toMatchObject({ from: 1 });
  });

  it('loses, doubles and reorders nothing, whatever is acknowledged when', () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('push' as const), n: fc.nat(150) }),
      fc.record({ do: fc.constant('take' as const), n: fc.constant(0) }),
      fc.record({ do: fc.constant('rewind' as const), n: fc.constant(0) }),
      fc.record({ do: fc.constant('acknowledge' as const), n: fc.nat(120) }),
    );
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const pending = new Unacknowledged();
        const done: number[] = [];
        let pushed = 0;
        let taken = 0;
        for (const { do: what, n } of steps) {
          if (what === 'push') {
            pending.push(items(pushed, pushed + n));
            pushed += n;
          } else if (what === 'take') {
            const batch = pending.take();
            if (batch !== null) {
              expect(batch.from).toBe(taken);
              expect(ids(batch.items)).toEqual(ids(items(taken, taken + batch.items.length)));
              taken += batch.items.length;
            }
          } else if (what === 'rewind') {
            pending.rewind();
            taken = pending.position;
          } else {
            // Redis never answers for more than was sent.
            done.push(...ids(pending.acknowledge(Math.min(taken, pending.position + n))));
          }
          expect(pending.end).toBe(pushed);
          expect(pending.bytes).toBe(pending.length);
        }
        expect(done).toEqual(ids(items(0, done.length)));
      }),
    );
  });
});
