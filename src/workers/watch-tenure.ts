/** A tenure's evidence on its way to the heartbeat, the log, the history and Bull Board. */
import type { Logger } from 'pino';
import type { PlatformClock } from '../adapters/platform-clock.ts';
import { DrainRequested } from '../errors.ts';
import type { Heartbeat } from '../state/heartbeats.ts';
import type { StateChange } from '../state/history.ts';
import { HealthRecorder, type HealthState } from './health-recorder.ts';
import type { KeptTenure } from './lease-keeper.ts';
import { Outage } from './outage.ts';
import type { HoldDeps, Tenure } from './tenure.ts';

/** Ties the tenure's evidence to the keeper, the log and the job, and the keeper's verdicts to the tenure. */
export function watchTenure(
  deps: HoldDeps,
  tenure: Tenure,
  log: Logger,
  platformClock: PlatformClock,
  controls: { readonly drain: AbortController; readonly stop: AbortController },
): { health: HealthRecorder; kept: KeptTenure } {
  const { claim, desired, view } = tenure;
  let change: string | null = null;
  let shown: { readonly name: string; readonly reason: string | null } | null = null;
  const outage = new Outage(deps.clock);
  const grantedAt = deps.clock.monotonic();
  let lostForMs = claim.lostForMs;
  const onChange = (state: HealthState, reason: string | null) => {
    if (state.name === 'live' && lostForMs !== null) {
      const sinceMs = lostForMs + (deps.clock.monotonic() - grantedAt);
      deps.measurements?.took('takeover', desired.platform, sinceMs);
      lostForMs = null;
    }
    deps.keeper.writeSoon({ id: desired.id, token: claim.token });
    const fields = { event: 'state', state: state.name, detail: state, reason };
    const said = `connection is ${state.name}${reason === null ? '' : `: ${reason}`}`;
    // Phases of one attempt, and a loss that turns into a wait, are one change to people.
    const same = shown?.name === state.name && shown.reason === reason;
    const wasLive = shown?.name === 'live';
    shown = { name: state.name, reason };
    const level = outage.levelOf(state.name);
    if (same && level !== 'error') {
      log.debug(fields, said);
      return;
    }
    log[level](fields, said);
    // The history keeps ups and downs; the attempts of an outage would push everything else out of it.
    if (wasLive || state.name === 'live') change = describeChange(state, reason);
    view.show(
      { state: state.name, reason, worker: deps.worker, fencingToken: claim.token },
      `${said} (${deps.worker}, token ${claim.token})`,
    );
  };
  const health = new HealthRecorder(deps.clock, deps.timings.dialTimeoutMs, onChange, (route) => {
    log.info({ event: 'route', route }, `the way to the platform is ${route}`);
  });
  const kept: KeptTenure = {
    id: desired.id,
    token: claim.token,
    claimedAt: tenure.claimedAt,
    heartbeat: () => {
      const platformAheadMs = platformClock.aheadOf(deps.clock.now(), deps.clock.monotonic());
      return JSON.stringify({ ...health.heartbeat(), platformAheadMs } satisfies Heartbeat);
    },
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

function describeChange(state: HealthState, reason: string | null): string {
  const change: StateChange = { state: state.name, reason, how: state.name === 'live' ? state.how : null };
  return JSON.stringify(change);
}
