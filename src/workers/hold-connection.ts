/**
 * The long-lived job, as a story: is it wanted and can it be held here → claim the lease → hold → end the tenure.
 * Whatever the adapter does, this ends in exactly one {@link TenureEnd}, and Redis is told which.
 */
import type { Logger } from 'pino';
import type { Adapter, Budget, InboundSink, Secrets } from '../adapters/adapter.ts';
import { childController, withDeadline } from '../async/abort.ts';
import { type BackoffPolicy, backoffDelay } from '../async/backoff.ts';
import type { Clock } from '../async/clock.ts';
import { DrainRequested, explain, FatalError, FencedError } from '../errors.ts';
import type { ConnectionId, Cursor, FencingToken, WorkerId } from '../model.ts';
import { type DesiredConnection, mayPlace, parseWishes, readDesired, redisNow } from '../state/desired.ts';
import { hostOf, noteUnfitHost, unfitHosts } from '../state/fitness.ts';
import type { Keys } from '../state/keys.ts';
import { type Claim, claimLease, endTenure, type TenureClose } from '../state/leases.ts';
import type { RedisClient } from '../state/redis.ts';
import { listWorkers } from '../state/workers.ts';
import { createAttemptGate } from './attempt-gate.ts';
import { HealthRecorder } from './health-recorder.ts';
import type { JobView } from './job-view.ts';
import { type Instant, instant } from './lease-clock.ts';
import type { KeptTenure, LeaseKeeper } from './lease-keeper.ts';
import type { TenureEnd } from './tenure-end.ts';

export interface HoldTimings {
  readonly leaseMs: number;
  readonly drainMs: number;
  readonly dialTimeoutMs: number;
  readonly healthyAfterMs: number;
  readonly probeEveryMs: number;
  readonly backoff: BackoffPolicy;
}

export interface HoldDeps {
  readonly client: RedisClient;
  readonly keys: Keys;
  readonly worker: WorkerId;
  readonly incarnation: string;
  readonly keeper: LeaseKeeper;
  readonly adapters: ReadonlyMap<string, Adapter>;
  /** `null` when this worker's configuration does not know the connection's secrets. */
  secretsOf(id: ConnectionId): Secrets | null;
  budgetFor(platform: string, account: string): Budget;
  openPump(request: PumpRequest): { readonly sink: InboundSink; close(): Promise<void> };
  readonly timings: HoldTimings;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What the pump of one tenure needs to know. */
export interface PumpRequest {
  readonly connectionId: ConnectionId;
  readonly token: FencingToken;
  readonly cursor: Cursor | null;
  readonly dedupeWindowMs: number;
  assertHeld(): void;
  onFenced(error: FencedError): void;
  readonly log: Logger;
}

/** Delay before a connection is started again after a defect: grows with the number of defects in a row. */
const BUG_BACKOFF: BackoffPolicy = { baseMs: 2_000, capMs: 60_000, factor: 2 };
/** After this long without one, earlier defects no longer count, ms. */
const BUG_FORGOTTEN_AFTER_MS = 600_000;
/** How long the last write of a tenure is tried, ms; after that the lease runs out by itself. */
const CLOSE_DEADLINE_MS = 2_000;

/**
 * @param drain - the process (or the operator) wants the connection handed over
 * @returns how it ended; never throws
 */
export async function holdConnection(
  deps: HoldDeps,
  id: ConnectionId,
  jobToken: string,
  view: JobView,
  drain: AbortSignal,
): Promise<TenureEnd> {
  try {
    const wanted = await wantedHere(deps, id);
    if ('kind' in wanted) return wanted;
    const claimedAt = instant(deps.clock);
    const { worker, incarnation } = deps;
    const claim = await claimLease(deps.client, deps.keys, id, { worker, incarnation, jobToken }, deps.timings.leaseMs);
    if (claim.kind === 'busy') return claim;
    return await holdTenure(deps, { ...wanted, claim, claimedAt, view, drain });
  } catch (error) {
    return { kind: 'unreachable', error: error instanceof Error ? error : new Error(String(error)) };
  }
}

interface Wanted {
  readonly desired: DesiredConnection;
  readonly adapter: Adapter;
  readonly secrets: Secrets;
}

async function wantedHere(deps: HoldDeps, id: ConnectionId): Promise<Wanted | TenureEnd> {
  const { client, keys } = deps;
  const desired = await readDesired(client, keys, id);
  const wishes = parseWishes(await client.hgetall(keys.connection(id).wishes));
  if (desired === null || !desired.enabled || wishes.paused) return { kind: 'not-wanted' };
  if (wishes.placement !== null && !mayPlace(wishes, deps.worker, await redisNow(client))) return { kind: 'elsewhere' };
  const refused = (await unfitHosts(client, keys, id)).get(hostOf(deps.worker));
  if (refused !== undefined && (await anotherHost(deps, id))) return { kind: 'unfit', reason: refused };
  const adapter = deps.adapters.get(desired.platform);
  if (adapter === undefined) return { kind: 'unfit', reason: `no adapter for platform "${desired.platform}"` };
  const secrets = deps.secretsOf(id);
  if (secrets === null) {
    return { kind: 'unfit', reason: 'the configuration of this worker has no credentials for the connection' };
  }
  return { desired, adapter, secrets };
}

/** Whether a worker lives on a host that the platform has not refused for this connection. */
async function anotherHost({ client, keys, worker }: HoldDeps, id: ConnectionId): Promise<boolean> {
  const [refused, workers] = await Promise.all([unfitHosts(client, keys, id), listWorkers(client, keys)]);
  return workers.some((other) => {
    const host = hostOf(other.id);
    return other.roles.includes('connections') && !other.draining && host !== hostOf(worker) && !refused.has(host);
  });
}

/** The platform refused this host. With another one to go to, that is no reason to bother a person. */
async function afterRefusal(deps: HoldDeps, id: ConnectionId, end: TenureEnd): Promise<TenureEnd> {
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

interface Tenure extends Wanted {
  readonly claim: Extract<Claim, { kind: 'granted' }>;
  readonly claimedAt: Instant;
  readonly view: JobView;
  readonly drain: AbortSignal;
}

async function holdTenure(deps: HoldDeps, tenure: Tenure): Promise<TenureEnd> {
  const { desired, claim } = tenure;
  const log = deps.log.child({ connection: desired.id, worker: deps.worker, fencingToken: claim.token });
  const startedAt = deps.clock.monotonic();
  using drain = childController(tenure.drain);
  const stop = new AbortController();
  log.info({ event: 'claimed', hasCursor: claim.cursor !== null }, 'lease granted');

  const { health, kept } = watch(deps, tenure, log, { drain, stop });
  deps.keeper.keep(kept);
  let end: TenureEnd;
  try {
    end = await runAdapter(deps, tenure, log, health, drain, stop);
  } catch (error) {
    end = judge(error, drain.signal, stop.signal);
  } finally {
    stop.abort(new DrainRequested('the tenure is over', { again: true }));
  }
  deps.keeper.letGo(kept);
  end = await afterRefusal(deps, desired.id, end);
  await close(deps, tenure, log, end, deps.clock.monotonic() - startedAt);
  return end;
}

/** Ties the tenure's evidence to the keeper, the log and the job, and the keeper's verdicts to the tenure. */
function watch(
  deps: HoldDeps,
  tenure: Tenure,
  log: Logger,
  controls: { readonly drain: AbortController; readonly stop: AbortController },
): { health: HealthRecorder; kept: KeptTenure } {
  const { claim, desired, view } = tenure;
  let change: string | null = null;
  let shown: { readonly name: string; readonly reason: string | null } | null = null;
  const health = new HealthRecorder(deps.clock, deps.timings.dialTimeoutMs, (state, reason) => {
    deps.keeper.writeSoon({ id: desired.id, token: claim.token });
    const fields = { event: 'state', state: state.name, detail: state, reason };
    const said = `connection is ${state.name}${reason === null ? '' : `: ${reason}`}`;
    // Phases of one attempt, and a loss that turns into a wait, are one change to people.
    const same = shown?.name === state.name && shown.reason === reason;
    const wasLive = shown?.name === 'live';
    shown = { name: state.name, reason };
    if (same) {
      log.debug(fields, said);
      return;
    }
    log[state.name === 'waiting' ? 'warn' : 'info'](fields, said);
    // The history keeps ups and downs; the attempts of an outage would push everything else out of it.
    if (wasLive || state.name === 'live') change = JSON.stringify({ state: state.name, reason });
    view.show(
      { state: state.name, reason, worker: deps.worker, fencingToken: claim.token },
      `${said} (${deps.worker}, token ${claim.token})`,
    );
  });
  const kept: KeptTenure = {
    id: desired.id,
    token: claim.token,
    claimedAt: tenure.claimedAt,
    heartbeat: () => JSON.stringify(health.heartbeat()),
    takeChange: () => {
      const taken = change;
      change = null;
      return taken;
    },
    onFenced: (error) => controls.stop.abort(error),
    onWishes: ({ wanted, restartWish, fingerprint }) => {
      const ask = (why: string, again: boolean) => controls.drain.abort(new DrainRequested(why, { again }));
      if (!wanted) ask('paused, disabled or removed by the operator', false);
      else if (restartWish > claim.restartWish) ask('restart or handoff asked for', true);
      else if (fingerprint !== desired.fingerprint) ask('its configuration changed', true);
    },
  };
  return { health, kept };
}

async function runAdapter(
  deps: HoldDeps,
  tenure: Tenure,
  log: Logger,
  health: HealthRecorder,
  drain: AbortController,
  stop: AbortController,
): Promise<TenureEnd> {
  const { adapter, claim, desired, secrets } = tenure;
  const { timings, clock, keeper } = deps;
  const assertHeld = () => keeper.assertHeld({ id: desired.id, token: claim.token });
  const pump = deps.openPump({
    connectionId: desired.id,
    token: claim.token,
    cursor: claim.cursor,
    dedupeWindowMs: adapter.capabilities.dedupeWindowMs,
    assertHeld,
    onFenced: (error) => stop.abort(error),
    log,
  });
  try {
    if (claim.cursorUnreadable)
      log.error({ event: 'cursor-unreadable' }, 'the stored cursor is not JSON: starting anew');
    const holding = adapter.hold({
      connectionId: desired.id,
      options: desired.options,
      secrets,
      cursor: claim.cursor,
      sink: pump.sink,
      health,
      gate: createAttemptGate({
        backoff: timings.backoff,
        healthyAfterMs: timings.healthyAfterMs,
        attemptDeadlineMs: timings.dialTimeoutMs,
        clock,
        health,
      }),
      budget: deps.budgetFor(desired.platform, adapter.accountOf(desired.options)),
      clock,
      log,
      assertHeld,
      dialTimeoutMs: timings.dialTimeoutMs,
      drain: drain.signal,
      signal: stop.signal,
    });
    await endedInTime(holding, drain.signal, stop, timings.drainMs);
    return judge(undefined, drain.signal, stop.signal);
  } finally {
    await pump.close();
  }
}

/**
 * Waits for the hold. Once it was told to drain or stop it has a deadline: whatever hangs in there then, the tenure
 * ends, because no takeover may wait for an old owner's cooperation.
 */
async function endedInTime(
  holding: Promise<void>,
  drain: AbortSignal,
  stop: AbortController,
  drainMs: number,
): Promise<void> {
  const told = new Promise<never>((_, reject) => {
    const hurry = () => {
      setTimeout(() => stop.abort(drain.reason), drainMs).unref();
    };
    const giveUp = () => {
      setTimeout(() => reject(stop.signal.reason), 1_000).unref();
    };
    if (drain.aborted) hurry();
    else drain.addEventListener('abort', hurry, { once: true });
    stop.signal.addEventListener('abort', giveUp, { once: true });
  });
  await Promise.race([holding, told]);
}

/** What the end of a hold means: `error` is what it threw, `undefined` when it returned. */
function judge(error: unknown, drain: AbortSignal, stop: AbortSignal): TenureEnd {
  if (stop.aborted && stop.reason instanceof FencedError) return { kind: 'fenced', reason: stop.reason.message };
  if (error instanceof FencedError) return { kind: 'fenced', reason: error.message };
  if (error instanceof FatalError) return { kind: 'fatal', error, code: error.code };
  if (drain.aborted) {
    const again = !(drain.reason instanceof DrainRequested) || drain.reason.again;
    return { kind: 'handed-over', reason: explain(drain.reason), again };
  }
  if (error === undefined) {
    return { kind: 'bug', error: new Error('the adapter ended its hold without having been asked to') };
  }
  return { kind: 'bug', error: error instanceof Error ? error : new Error(String(error)) };
}

async function close(deps: HoldDeps, tenure: Tenure, log: Logger, end: TenureEnd, heldMs: number): Promise<void> {
  const { claim, desired } = tenure;
  report(log, end, heldMs);
  const record = closeRecord(deps, tenure, end, heldMs);
  if (record === null) return;
  try {
    await withDeadline('end of the tenure', CLOSE_DEADLINE_MS, new AbortController().signal, () =>
      endTenure(deps.client, deps.keys, desired.id, claim.token, record),
    );
  } catch (error) {
    // Nothing depends on it: the lease runs out, and the scheduler moves the job.
    log.warn({ event: 'release-failed', reason: explain(error) }, 'the end of the tenure could not be written');
  }
}

function closeRecord(deps: HoldDeps, tenure: Tenure, end: TenureEnd, heldMs: number): TenureClose | null {
  switch (end.kind) {
    case 'handed-over':
      return { end: 'released', reason: end.reason };
    case 'fenced':
      // By ourselves the lease may still be ours for a moment; by another worker this write is refused.
      return { end: 'released', reason: end.reason };
    case 'host-refused':
      return { end: 'released', reason: end.reason };
    case 'fatal':
      return {
        end: 'parked',
        reason: explain(end.error),
        code: end.code,
        fingerprint: tenure.desired.fingerprint,
        probeAfterMs: deps.timings.probeEveryMs,
      };
    case 'bug': {
      const countFromZero = heldMs > BUG_FORGOTTEN_AFTER_MS;
      const delayMs = backoffDelay(BUG_BACKOFF, countFromZero ? 0 : tenure.claim.bugs, Math.random());
      return { end: 'bug', reason: explain(end.error), delayMs, countFromZero };
    }
    case 'busy':
    case 'not-wanted':
    case 'elsewhere':
    case 'unfit':
    case 'unreachable':
      return null;
    default:
      return end satisfies never;
  }
}

function report(log: Logger, end: TenureEnd, heldMs: number): void {
  const fields = { event: 'tenure-ended', end: end.kind, heldMs: Math.round(heldMs) };
  switch (end.kind) {
    case 'bug':
      log.error({ ...fields, err: end.error }, 'a defect ended the tenure; it will be started again');
      return;
    case 'fatal':
      log.error({ ...fields, code: end.code, err: end.error }, 'the connection needs a person and is parked');
      return;
    case 'host-refused':
      log.warn({ ...fields, reason: end.reason }, 'the platform refuses this host; another host is tried');
      return;
    case 'handed-over':
    case 'fenced':
      log.info({ ...fields, reason: end.reason }, 'tenure ended');
      return;
    default:
      log.info(fields, 'tenure ended');
  }
}
