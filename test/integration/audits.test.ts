/** Sends that the platform audits before it shows them: what the verdict makes of them, whenever it comes. */
import { describe, expect, it, vi } from 'vitest';
import { settleAudit } from '../../src/state/audits.ts';
import { listDeadLetters } from '../../src/state/dead-letters.ts';
import { deliveryBench, replyPart, scriptedSender } from '../support/delivery-bench.ts';
import { useRedis } from '../support/redis.ts';

const redis = useRedis({ aof: false });

async function place() {
  const bench = await deliveryBench(redis.server);
  const { client, keys, id } = bench;
  const send = async () => {
    await bench.push([replyPart('c2c:A', 'a text with \u0001 and "quotes"')]);
    bench.worker(scriptedSender(() => ({ kind: 'pending-audit', auditId: 'AUDIT' })).adapter);
    await vi.waitFor(async () => expect(await bench.active()).toBe(0), { timeout: 20_000, interval: 10 });
  };
  const verdict = (passed: boolean) => settleAudit(client, keys, id, { id: 'AUDIT', passed });
  return { bench, send, verdict, letters: () => listDeadLetters(client, keys, id) };
}

describe('a send that waits for an audit (G20)', () => {
  it('becomes a dead letter when the audit says no, once', async () => {
    const { bench, send, verdict, letters } = await place();
    await using _ = bench;
    await send();
    expect(await letters()).toEqual([]);
    expect([await verdict(false), await verdict(false)]).toEqual(['rejected', 'early']);
    expect(await letters()).toEqual([
      expect.objectContaining({
        kind: 'send',
        outcome: 'rejected',
        code: 'AUDIT',
        text: 'a text with \u0001 and "quotes"',
      }),
    ]);
    expect(await bench.counters()).toEqual({ auditsPending: '1', auditsRejected: '1', deadLetters: '1' });
  });

  it('is over when the audit lets it through', async () => {
    const { bench, send, verdict, letters } = await place();
    await using _ = bench;
    await send();
    expect(await verdict(true)).toBe('passed');
    expect(await letters()).toEqual([]);
    expect(await bench.counters()).toEqual({ auditsPending: '1', auditsPassed: '1' });
  });

  it.each([false, true])('is judged by a verdict that came first (passed: %s)', async (passed) => {
    const { bench, send, verdict, letters } = await place();
    await using _ = bench;
    expect(await verdict(passed)).toBe('early');
    await send();
    expect(await letters()).toHaveLength(passed ? 0 : 1);
    expect(await bench.counters()).toMatchObject({
      auditsPending: '1',
      [passed ? 'auditsPassed' : 'auditsRejected']: '1',
    });
  });
});
