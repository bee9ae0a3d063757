/** What a fault works with, and what it tells. */
import type { Random } from '../random.ts';
import type { Site } from '../site.ts';
import type { StaleWrites } from '../stale-writes.ts';
import type { Takeover } from '../takeover.ts';

export const CAUSES = {
  'child killed': 'SIGKILL of a process that holds connections; its parent lives',
  'group killed': 'SIGKILL of a worker with all its children; no parent is left',
  frozen: 'SIGSTOP of a process that holds connections, for longer than the lease, then SIGCONT',
  drained: 'SIGTERM to a worker; it is started again afterwards',
  'handed over': 'handoff as the operator asks for it',
  'socket dropped': 'the platform ends one bot’s socket: reset, end of stream, close code 4009, or op 7',
  'Redis killed':
    'kill -9 of Redis (append-only file, fsync always), started again after up to 1.5 s; it answers once its data is loaded',
  'Redis frozen': 'SIGSTOP of Redis for 0.3 s up to half the lease',
  'host lost':
    'the link of a worker’s host swallows all packets, or its cable is pulled: no FIN, no RST; a run of its own (`npm run chaos:hosts`)',
  'scheduler killed': 'SIGKILL of one of two schedulers',
  'agent killed': 'SIGKILL of one of two agent workers',
  'delivery killed': 'SIGKILL of one of two delivery workers',
} as const;

export type Cause = keyof typeof CAUSES;

export interface Ground {
  readonly site: Site;
  readonly random: Random;
  readonly signal: AbortSignal;
}

export interface Strike {
  /** Processes that got SIGKILL. */
  readonly killed: number;
  readonly takeovers: readonly Takeover[];
  readonly staleWrites: StaleWrites;
  /** What did not go as it should, in words. */
  readonly complaints: readonly string[];
}

export interface Fault {
  readonly cause: Cause;
  /** @returns once what it broke works again. @throws Error when that takes too long */
  strike(ground: Ground): Promise<Strike>;
}
