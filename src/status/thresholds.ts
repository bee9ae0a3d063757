/**
 * From when on something between a message and its answer counts as trouble. In one place, for status, alerts, doctor, pages
 * and metrics, so that they never differ. Durations in ms.
 *
 * `watch` is worth a look and no failure; `failing`: somebody is not answered who should be.
 */

/** Not live for so long, or after so many attempts. Shorter ones are reconnects, takeovers and deploys. */
export const DISCONNECTED = { failingMs: 15_000, attempts: 5 } as const;
/** A sweep may take 10 s and be followed by another such one. */
export const SWEEP_LATE_MS = 26_000;
/** A role that nobody has: a deploy takes this long. */
export const ROLE_MISSING_MS = 15_000;
/** What comes cannot be stored: short outages of Redis pass. */
export const INBOUND_STUCK_MS = 15_000;
/** Share of Redis's memory from which on inbound waits at the platform (state/memory-gauge.ts). */
export const MEMORY_FULL = 0.8;
/** Messages that wait, while no turn takes them. */
export const UNTAKEN = { watchMs: 15_000, failingMs: 60_000 } as const;
/** A turn that runs is healthy up to the agent's own limit, and a while beyond in which it is ended. */
export const TURN = { watchMs: 300_000, overLimitMs: 60_000 } as const;
/** The agent is asked again and again, and none of the answers is one. */
export const AGENT_FAILING_MS = 10_000;
/** A no of these statuses is about key, address or model, whatever was asked; of others it takes more than one. */
export const AGENT_REFUSES = { decisive: [401, 403, 404, 405, 407, 410], inARow: 2 } as const;
/** What failed so long ago, and was not tried since, may be well by now. */
export const FORGOTTEN_MS = 3_600_000;
/** A part that was tried and did not go out, or that nobody tries. */
export const UNSENT = { watchMs: 15_000, failingMs: 60_000 } as const;
/** The platform asked to wait; or our own pace, by its rules, makes a queue. */
export const HELD = { watchMs: 30_000, failingMs: 300_000, pacedFailingMs: 900_000 } as const;
/** New dead letters, and settings of queues that were put right, are shown for so long. */
export const RECENT_MS = 600_000;
