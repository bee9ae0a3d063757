/**
 * The long-lived job, as a story: is it wanted and can it be held here → claim the lease → hold → end the tenure.
 * Whatever the adapter does, this ends in exactly one {@link TenureEnd}, and Redis is told which.
 */
import type { Logger } from 'pino';
import type { AttemptCause } from '../adapters/adapter.ts';
import { PlatformClock } from '../adapters/platform-clock.ts';
import { tellTime } from '../adapters/tell-time.ts';
import { childController, controllerForMany } from '../async/abort.ts';
import { DrainRequested, explain, FatalError, FencedError } from '../errors.ts';
import type { ConnectionId } from '../model.ts';
import { claimLease } from '../state/leases.ts';
import { createAttemptGate } from './attempt-gate.ts';
import { createCarefulReading } from './careful-reading.ts';
import { closeTenure } from './close-tenure.ts';
import type { HealthRecorder } from './health-recorder.ts';
import { createHostDoubt } from './host-doubt.ts';
import type { JobView } from './job-view.ts';
import { instant } from './lease-clock.ts';
import { liveOnceStored } from './live-once-stored.ts';
import type { HoldDeps, Tenure } from './tenure.ts';
import type { TenureEnd } from './tenure-end.ts';
import { afterRefusal, leaveToAnotherHost, wantedHere } from './wanted-here.ts';
import { watchTenure } from './watch-tenure.ts';

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

async function holdTenure(deps: HoldDeps, tenure: Tenure): Promise<TenureEnd> {
  const { desired, claim } = tenure;
  const log = deps.log.child({ connection: desired.id, worker: deps.worker, fencingToken: claim.token });
  const startedAt = deps.clock.monotonic();
  using drain = childController(tenure.drain);
  const stop = controllerForMany();
  log.info({ event: 'claimed', hasCursor: claim.cursor !== null }, 'lease granted');

  const platformClock = new PlatformClock();
  const { health, kept } = watchTenure(deps, tenure, log, platformClock, { drain, stop });
  deps.keeper.keep(kept);
  let end: TenureEnd;
  try {
    end = await runAdapter(deps, tenure, log, { health, platformClock }, drain, stop);
  } catch (error) {
    end = judge(error, drain.signal, stop.signal);
  } finally {
    stop.abort(new DrainRequested('the tenure is over', { again: true }));
  }
  deps.keeper.letGo(kept);
  end = await afterRefusal(deps, desired.id, end);
  await closeTenure(deps, tenure, log, end, deps.clock.monotonic() - startedAt);
  return end;
}

async function runAdapter(
  deps: HoldDeps,
  tenure: Tenure,
  log: Logger,
  { health, platformClock }: { readonly health: HealthRecorder; readonly platformClock: PlatformClock },
  drain: AbortController,
  stop: AbortController,
): Promise<TenureEnd> {
  const { adapter, claim, desired, secrets } = tenure;
  const { timings, clock, keeper } = deps;
  const assertHeld = () => keeper.assertHeld({ id: desired.id, token: claim.token });
  const doubt = createHostDoubt(clock, timings.hostDoubtMs);
  const transport = tellTime(deps.openTransport(secrets), platformClock, clock);
  const pump = deps.openPump({
    connectionId: desired.id,
    platform: desired.platform,
    token: claim.token,
    cursor: claim.cursor,
    dedupeWindowMs: adapter.capabilities.dedupeWindowMs,
    assertHeld,
    onFenced: (error) => stop.abort(error),
    onTrouble: (trouble) => health.inbound(trouble?.reason ?? null),
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
      health: liveOnceStored(health, {
        sink: pump.sink,
        deadlineMs: timings.dialTimeoutMs,
        signal: stop.signal,
      }),
      gate: createAttemptGate({
        backoff: timings.backoff,
        healthyAfterMs: timings.healthyAfterMs,
        attemptDeadlineMs: timings.dialTimeoutMs,
        clock,
        health,
        pace: deps.pace,
        onAgain: (cause) => {
          deps.measurements?.reconnected(desired.id, cause?.kind ?? 'other');
          const unansweredMs = doubt.failed(cause);
          if (unansweredMs !== null) void tryAnotherHost(deps, desired.id, log, drain, unansweredMs, cause);
        },
        onProven: () => doubt.proven(),
      }),
      budget: deps.budgetFor(desired.platform, adapter.accountOf(desired.options)),
      transport,
      reading: createCarefulReading({
        client: deps.client,
        keys: deps.keys,
        connection: desired.id,
        token: claim.token,
        needed: claim.careful,
        sink: pump.sink,
        turnstile: deps.turnstile,
        clock,
        log,
        signal: stop.signal,
      }),
      clock,
      platformClock,
      log,
      assertHeld,
      dialTimeoutMs: timings.dialTimeoutMs,
      drain: drain.signal,
      signal: stop.signal,
    });
    await endedInTime(holding, drain.signal, stop, timings.drainMs);
    return judge(undefined, drain.signal, stop.signal);
  } finally {
    await transport.destroy();
    await pump.close();
  }
}

/** Never throws: without another host, or an answer of Redis, this one goes on. */
async function tryAnotherHost(
  deps: HoldDeps,
  id: ConnectionId,
  log: Logger,
  drain: AbortController,
  unansweredMs: number,
  cause: AttemptCause | null,
): Promise<void> {
  const reason = `nothing got through from this host for ${Math.round(unansweredMs / 1_000)} s (${cause?.reason})`;
  if (!(await leaveToAnotherHost(deps, id, reason))) return;
  log.warn({ event: 'host-doubted', reason }, 'another host is tried');
  drain.abort(new DrainRequested(`${reason}; another host is tried`, { again: true }));
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
    const asked = drain.reason instanceof DrainRequested ? drain.reason : { again: true, leaving: false };
    return { kind: 'handed-over', reason: explain(drain.reason), again: asked.again, leaving: asked.leaving };
  }
  if (error === undefined) {
    return { kind: 'bug', error: new Error('the adapter ended its hold without having been asked to') };
  }
  return { kind: 'bug', error: error instanceof Error ? error : new Error(String(error)) };
}
