/** Is the time the same everywhere, and does it go on evenly? */
import { type Finding, fail, ok, warn } from './finding.ts';

const NOTICED_MS = 1_000;
const HARMFUL_MS = 30_000;
const UNEVEN_MS = 100;

/**
 * @param aheadMs - a host's clock less Redis's
 * @param uncertainMs - how far off this may be
 */
export function judgeSkew(check: string, host: string, aheadMs: number, uncertainMs: number): Finding {
  const off = Math.max(0, Math.abs(aheadMs) - uncertainMs);
  const words = `the clock of ${host} is ${Math.round(Math.abs(aheadMs))} ms ${aheadMs < 0 ? 'behind' : 'ahead of'} that of Redis (within ${Math.round(uncertainMs)} ms)`;
  const subject = { subject: host };
  if (off < NOTICED_MS) return ok(check, words, subject);
  const fix = 'synchronise both with NTP (timedatectl, chrony); leases do not depend on it, reply windows and logs do';
  return off < HARMFUL_MS ? warn(check, words, fix, subject) : fail(check, words, fix, subject);
}

/**
 * @param aheadMs - the platform's clock less this host's, as far as it is sure; `null`: no answer told it
 * @returns nothing where nothing is known
 */
export function judgePlatformClock(platform: string, id: string, aheadMs: number | null): Finding[] {
  if (aheadMs === null) return [];
  const subject = { subject: id };
  const off = Math.abs(aheadMs);
  if (off < NOTICED_MS)
    return [ok('platform.clock', `the clock of this host agrees with that of ${platform}`, subject)];
  const words = `the clock of this host is ${Math.round(off / 1_000)} s ${aheadMs > 0 ? 'behind' : 'ahead of'} that of ${platform}`;
  const fix = 'set it (timedatectl, chrony): signatures, certificates and log times depend on it';
  const judge = off < HARMFUL_MS ? warn : fail;
  return [judge('platform.clock', words, fix, subject)];
}

/** How far the wall clock and the monotonic one drifted apart while somebody looked, ms. */
export function judgeSteadiness(driftMs: number, overMs: number): Finding {
  const off = Math.round(Math.abs(driftMs));
  if (off <= UNEVEN_MS)
    return ok('clock.steady', `the clock of this host went on evenly over ${Math.round(overMs)} ms`);
  const fix =
    'somebody sets the clock in steps: let chrony or systemd-timesyncd slew it; a virtual machine may need its guest tools';
  return warn('clock.steady', `the clock of this host jumped by ${off} ms within ${Math.round(overMs)} ms`, fix);
}
