import { describe, expect, it } from 'vitest';
import type { Budget } from '../../src/adapters/adapter.ts';
import { TransientError } from '../../src/errors.ts';
import { createBudget } from '../../src/state/budget.ts';
import { createKeys } from '../../src/state/keys.ts';
import { startRedis, useRedis } from '../support/redis.ts';

const redis = useRedis({ aof: false });
const signal = new AbortController().signal;

function budgetOf(prefix: string, account = 'app-1'): Budget {
  return createBudget(redis.server.client(), createKeys(prefix), 'qq', account);
}

describe('budget', () => {
  it('is shared by all hosts of an account and by nobody else', async () => {
    const prefix = redis.prefix();
    const [hostA, hostB, stranger] = [budgetOf(prefix), budgetOf(prefix), budgetOf(prefix, 'app-2')];
    const limits = [{ count: 2, windowMs: 60_000 }];
    expect(await hostA.take('identify', limits, { signal })).toEqual({ granted: true });
    expect(await hostB.take('identify', limits, { signal })).toEqual({ granted: true });
    const refused = await hostA.take('identify', limits, { signal });
    expect(refused).toMatchObject({ granted: false, reason: 'budget identify is used up: 2 per 1 min' });
    expect(await stranger.take('identify', limits, { signal })).toEqual({ granted: true });
    expect(await hostA.take('start', limits, { signal })).toEqual({ granted: true });
  });

  it('is shared by all accounts of a host where the platform counts addresses', async () => {
    const keys = createKeys(redis.prefix());
    const on = (account: string, host: string) => createBudget(redis.server.client(), keys, 'telegram', account, host);
    const limits = [{ count: 2, windowMs: 60_000 }];
    const take = (account: string, host: string) =>
      on(account, host).take('new-bot', limits, { signal, scope: 'host' });
    expect(await take('bot-1', 'host-a')).toEqual({ granted: true });
    expect(await take('bot-2', 'host-a')).toEqual({ granted: true });
    expect(await take('bot-3', 'host-a')).toMatchObject({ granted: false });
    expect(await take('bot-3', 'host-b')).toEqual({ granted: true });
    expect(await on('bot-3', 'host-a').take('new-bot', limits, { signal })).toEqual({ granted: true });
  });

  it('never gives more than the limit to many who ask at once', async () => {
    const prefix = redis.prefix();
    const asked = Array.from({ length: 40 }, () =>
      budgetOf(prefix).take('identify', [{ count: 7, windowMs: 60_000 }], { signal }),
    );
    expect((await Promise.all(asked)).filter((answer) => answer.granted)).toHaveLength(7);
  });

  it('takes from all limits or from none, and names the one that refuses longest', async () => {
    const budget = budgetOf(redis.prefix());
    const limits = [
      { count: 3, windowMs: 86_400_000 },
      { count: 1, windowMs: 200 },
    ];
    for (let taken = 0; taken < 3; taken += 1) {
      // Refusals of the short limit must not use up the long one.
      for (let granted = false; !granted; ) {
        const answer = await budget.take('identify', limits, { signal });
        granted = answer.granted;
        if (!answer.granted) {
          expect(answer.retryAfterMs).toBeLessThanOrEqual(200);
          expect(answer.reason).toContain('1 per 0.2 s');
          await new Promise((resolve) => setTimeout(resolve, answer.retryAfterMs));
        }
      }
    }
    const refused = await budget.take('identify', limits, { signal });
    expect(refused).toMatchObject({ granted: false, reason: 'budget identify is used up: 3 per 24 h' });
    if (!refused.granted) expect(refused.retryAfterMs).toBeGreaterThan(86_000_000);
  });

  it('gives a permit again once the told wait is over', async () => {
    const budget = budgetOf(redis.prefix());
    const limits = [{ count: 1, windowMs: 150 }];
    await budget.take('identify', limits, { signal });
    const refused = await budget.take('identify', limits, { signal });
    if (refused.granted) throw new Error('a second permit within the window');
    await new Promise((resolve) => setTimeout(resolve, refused.retryAfterMs + 5));
    expect(await budget.take('identify', limits, { signal })).toEqual({ granted: true });
  });

  it('a count of 0 gives nothing', async () => {
    const answer = await budgetOf(redis.prefix()).take('identify', [{ count: 0, windowMs: 1_000 }], { signal });
    expect(answer).toMatchObject({ granted: false, retryAfterMs: 1_000 });
  });

  it('gives no permit while Redis is away or silent', async () => {
    await using server = await startRedis({ aof: false });
    const client = server.client({ maxRetriesPerRequest: 0, commandTimeout: 500 });
    const budget: Budget = createBudget(client, createKeys('t'), 'qq', 'app-1');
    const limits = [{ count: 1, windowMs: 60_000 }];
    await client.ping();
    server.freeze();
    await expect(budget.take('identify', limits, { signal })).rejects.toThrow(TransientError);
    server.thaw();
    await server.kill();
    await expect(budget.take('identify', limits, { signal })).rejects.toThrow(TransientError);
    await expect(budget.take('identify', limits, { signal: AbortSignal.abort('stop') })).rejects.toBe('stop');
  });
});
