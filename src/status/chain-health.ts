/** Whether people are answered, by itself: for monitors. Says so also while Redis does not answer. */
import { explain } from '../errors.ts';
import { type AgentStatus, type ChainStatus, chainOf } from './chain.ts';
import type { StatusDocument } from './document.ts';
import { told } from './found-trouble.ts';

export interface ChainHealth extends ChainStatus {
  /** ISO 8601, by Redis's clock; by ours while it does not answer. */
  readonly at: string;
  readonly agents: readonly AgentStatus[];
}

export function chainHealthOf({ at, chain, agents }: StatusDocument): ChainHealth {
  return { at, ...chain, agents };
}

/** @param error - why Redis could not be read */
export function chainWithoutRedis(error: unknown, now: number): ChainHealth {
  const trouble = told({
    kind: 'storage',
    link: 'stored',
    state: 'failing',
    subject: 'Redis',
    reason: `Redis does not answer, so nothing is stored and nothing is known: ${explain(error)}`,
    advice: 'look after Redis; see docs/runbook.md, "Redis is away"',
  });
  return { at: new Date(now).toISOString(), ...chainOf([trouble]), agents: [] };
}
