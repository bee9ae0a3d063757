/** Is the connection wanted at all, wanted here, and can this worker hold it? Asked before a lease is claimed. */
import { explain } from '../errors.ts';
import type { ConnectionId } from '../model.ts';
import { mayPlace, parseWishes, readDesired, redisNow } from '../state/desired.ts';
import { hostOf, noteUnfitHost, unfitHosts } from '../state/fitness.ts';
import { listWorkers } from '../state/workers.ts';
import type { HoldDeps, Wanted } from './tenure.ts';
import type { TenureEnd } from './tenure-end.ts';

/** @throws when Redis gives no answer */
export async function wantedHere(deps: HoldDeps, id: ConnectionId): Promise<Wanted | TenureEnd> {
  const { client, keys } = deps;
  // All at once, also what is rarely needed: a takeover waits for each round trip.
  const [desired, wishes, now, unfit] = await Promise.all([
    readDesired(client, keys, id),
    client.hgetall(keys.connection(id).wishes).then(parseWishes),
    redisNow(client),
    unfitHosts(client, keys, id),
  ]);
  if (desired === null || !desired.enabled || wishes.paused) return { kind: 'not-wanted' };
  if (!mayPlace(wishes, deps.worker, now)) return { kind: 'elsewhere' };
  const refused = unfit.get(hostOf(deps.worker));
  if (refused !== undefined && (await anotherHost(deps, id))) return { kind: 'unfit', reason: refused };
  const adapter = deps.adapters.get(desired.platform);
  if (adapter === undefined) return { kind: 'unfit', reason: `no adapter for platform "${desired.platform}"` };
  const credentials = await deps.credentialsOf(desired);
  if (credentials.kind === 'unknown') return { kind: 'unfit', reason: credentials.reason };
  return { desired: credentials.connection, adapter, secrets: credentials.secrets };
}

/** Whether a worker lives on a host that the platform has not refused for this connection. */
async function anotherHost({ client, keys, worker }: HoldDeps, id: ConnectionId): Promise<boolean> {
  const [refused, workers] = await Promise.all([unfitHosts(client, keys, id), listWorkers(client, keys)]);
  return workers.some((other) => {
    const host = hostOf(other.id);
    return other.roles.includes('connections') && !other.draining && host !== hostOf(worker) && !refused.has(host);
  });
}

/**
 * From this host nothing gets through. Where another one could hold the connection, this one stands back for a while.
 *
 * @returns false, also when Redis gives no answer: then it stays where it is
 */
export async function leaveToAnotherHost(deps: HoldDeps, id: ConnectionId, reason: string): Promise<boolean> {
  try {
    if (!(await anotherHost(deps, id))) return false;
    await noteUnfitHost(deps.client, deps.keys, id, hostOf(deps.worker), reason, UNREACHED_MS);
    return true;
  } catch {
    return false;
  }
}

/** A host from which nothing got through is not asked again for so long, while there is another one, ms. */
const UNREACHED_MS = 120_000;

/** The platform refused this host. With another one to go to, that is no reason to bother a person. */
export async function afterRefusal(deps: HoldDeps, id: ConnectionId, end: TenureEnd): Promise<TenureEnd> {
  if (end.kind !== 'fatal' || end.code !== 'HOST_UNFIT') return end;
  const reason = explain(end.error);
  try {
    await noteUnfitHost(deps.client, deps.keys, id, hostOf(deps.worker), reason);
    return (await anotherHost(deps, id)) ? { kind: 'host-refused', reason } : end;
  } catch {
    // Redis is away: parked is the careful answer, and its probe asks again.
    return end;
  }
}
