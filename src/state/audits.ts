/**
 * Sends that the platform has taken and audits before it shows them. Each keeps the dead letter that it becomes when the
 * audit says no; what the audit never says anything of is forgotten in the end, and only counted as pending.
 */
import type { AuditVerdict, ConnectionId } from '../model.ts';
import { DEAD_LETTERS_KEPT } from './dead-letters.ts';
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';
import { loadScript, runScript } from './scripts.ts';

const settleScript = loadScript('settle-audit');

/** How long a verdict is waited for, ms. */
export const AUDIT_KEPT_MS = 24 * 3_600_000;
/** A verdict that comes before the answer to its send was stored is remembered for so long, ms. */
const EARLY_VERDICT_MS = 3_600_000;

/**
 * @returns `early`: no such send is known here, yet or any more
 * @throws the client's errors; safe to repeat
 */
export async function settleAudit(
  client: RedisClient,
  keys: Keys,
  connection: ConnectionId,
  { id, passed }: AuditVerdict,
): Promise<'passed' | 'rejected' | 'early'> {
  const at = keys.connection(connection);
  const verdict = passed ? 'passed' : 'rejected';
  const answer = await runScript(
    client,
    settleScript,
    [at.audit(id), at.counters, at.deadLetters],
    [verdict, EARLY_VERDICT_MS, DEAD_LETTERS_KEPT],
  );
  return answer as 'passed' | 'rejected' | 'early';
}
