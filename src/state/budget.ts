/**
 * Platform budgets that must not be overdrawn (identifies per day, per 5 s), counted in Redis and shared by all hosts
 * that act for the account, or by all accounts that a host acts for. Windows slide: within any window, no more permits are given than its limit. A platform
 * whose windows are fixed is thereby asked for less than it would give, never for more.
 *
 * Structurally the adapters' `Budget`; state knows no adapter.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { withDeadline } from '../async/abort.ts';
import { TransientError } from '../errors.ts';
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';
import { loadScript, runScript } from './scripts.ts';

const takeScript = loadScript('take-budget');

/** Longest wait for Redis, ms. */
const ASK_DEADLINE_MS = 2_000;

interface Limit {
  readonly count: number;
  readonly windowMs: number;
}

type Permit =
  | { readonly granted: true }
  | { readonly granted: false; readonly retryAfterMs: number; readonly reason: string };

/**
 * @param account - budgets are shared by all connections and hosts of one account of one platform
 * @param host - stands for the address this host comes from; several hosts behind one address are not known as such.
 *   Default: the host's name
 */
export function createBudget(
  client: RedisClient,
  keys: Keys,
  platform: string,
  account: string,
  host: string = hostname(),
) {
  return {
    /**
     * Takes one permit from every limit, or none.
     *
     * @param limits - the same ones for every call with this `name`
     * @param options - `scope`: who shares the budget; by default all who use the account
     * @throws TransientError when Redis gave no answer within 2 s: no permit then
     * @throws the signal's reason
     */
    async take(
      name: string,
      limits: readonly Limit[],
      options: { signal: AbortSignal; scope?: 'account' | 'host' },
    ): Promise<Permit> {
      const args = [randomUUID(), ...limits.flatMap(({ count, windowMs }) => [count, windowMs])];
      // No account has a space in its name.
      const sharers = options.scope === 'host' ? `host ${host}` : account;
      const key = keys.budget(platform, sharers, name);
      const answer = await withDeadline(`budget ${name}`, ASK_DEADLINE_MS, options.signal, async () => {
        // Hosts come and go; those of an account are as many as its names of budgets.
        if (options.scope !== 'host') await note(client, keys, [platform, account, name], limits);
        return await ask(client, name, key, args);
      });
      const [granted, retryAfterMs = 0, index = 0] = answer;
      if (granted === 1) return { granted: true };
      return { granted: false, retryAfterMs, reason: `budget ${name} is used up: ${describe(limits[index])}` };
    },
  };
}

/** What is left of one limit of a budget that an account's connections share. */
export interface BudgetUse extends Limit {
  readonly platform: string;
  readonly account: string;
  readonly name: string;
  /** Permits given within the present window. */
  readonly used: number;
}

/** Remembers the limits, so that others can tell how much is left. */
async function note(
  client: RedisClient,
  keys: Keys,
  budget: readonly [platform: string, account: string, name: string],
  limits: readonly Limit[],
): Promise<void> {
  try {
    await client.hset(keys.budgets, JSON.stringify(budget), JSON.stringify(limits));
  } catch (cause) {
    throw new TransientError('REDIS_UNAVAILABLE', 'Redis did not answer "note budget"', { cause });
  }
}

/**
 * The budgets of all accounts that ever took a permit, one entry per limit.
 *
 * @param now - Redis ms
 * @throws the client's errors
 */
export async function readBudgets(client: RedisClient, keys: Keys, now: number): Promise<BudgetUse[]> {
  const noted = Object.entries(await client.hgetall(keys.budgets));
  const uses = noted.flatMap(([of, text]) => {
    const [platform, account, name] = JSON.parse(of) as [string, string, string];
    const key = keys.budget(platform, account, name);
    return (JSON.parse(text) as Limit[]).map(async ({ count, windowMs }) => {
      const used = await client.zcount(key, `(${now - windowMs}`, '+inf');
      return { platform, account, name, count, windowMs, used };
    });
  });
  return await Promise.all(uses);
}

async function ask(
  client: RedisClient,
  name: string,
  key: string,
  args: (string | number)[],
): Promise<[number, number?, number?]> {
  try {
    return (await runScript(client, takeScript, [key], args)) as [number, number?, number?];
  } catch (cause) {
    throw new TransientError('REDIS_UNAVAILABLE', `Redis did not answer "take budget ${name}"`, { cause });
  }
}

function describe(limit: Limit | undefined): string {
  if (limit === undefined) return 'no limit';
  const { count, windowMs } = limit;
  if (windowMs % 3_600_000 === 0) return `${count} per ${windowMs / 3_600_000} h`;
  if (windowMs % 60_000 === 0) return `${count} per ${windowMs / 60_000} min`;
  return `${count} per ${windowMs / 1_000} s`;
}
