/** What another configuration means for a running process: what it takes over, and what waits for a restart. Pure. */
import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../config.ts';
import { type ConnectionId, ownValue } from '../model.ts';

export interface ConfigChange {
  readonly added: readonly ConnectionId[];
  readonly changed: readonly ConnectionId[];
  readonly removed: readonly ConnectionId[];
  /** Other groups that are taken over. */
  readonly groups: readonly ReloadedGroup[];
}

/** Groups of keys that a running process takes over; `connections` beside them. All others wait for a restart. */
const RELOADED = ['agent', 'alerts', 'runtime'] as const;
type ReloadedGroup = (typeof RELOADED)[number];

const WAITING = ['redis', 'log', 'timings', 'access', 'http'] as const;

/** @param running - what the process works by now */
export function changesBetween(running: Config, next: Config): ConfigChange {
  const before = new Map(running.connections.map((connection) => [connection.id, connection]));
  const after = new Set(next.connections.map(({ id }) => id));
  return {
    added: next.connections.filter(({ id }) => !before.has(id)).map(({ id }) => id),
    changed: next.connections
      .filter((connection) => before.has(connection.id) && !isDeepStrictEqual(before.get(connection.id), connection))
      .map(({ id }) => id),
    removed: running.connections.filter(({ id }) => !after.has(id)).map(({ id }) => id),
    groups: RELOADED.filter((group) => !isDeepStrictEqual(running[group], next[group])),
  };
}

export function isEmpty({ added, changed, removed, groups }: ConfigChange): boolean {
  return added.length + changed.length + removed.length + groups.length === 0;
}

/** What the process works by after the change: what waits for a restart stays as it was. */
export function takenOver(running: Config, { connections, agent, alerts, runtime, files, warnings }: Config): Config {
  return { ...running, connections, agent, alerts, runtime, files, warnings };
}

/** @returns keys such as `timings.leaseMs` whose new value this process does not use */
export function waitingForRestart(running: Config, next: Config): string[] {
  return WAITING.flatMap((group) => differingKeys(group, running[group], next[group]));
}

function differingKeys(path: string, one: unknown, other: unknown): string[] {
  if (isDeepStrictEqual(one, other)) return [];
  if (!isGroup(one) || !isGroup(other)) return [path];
  const keys = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...keys]
    .filter((key) => !isDeepStrictEqual(ownValue(one, key), ownValue(other, key)))
    .map((key) => `${path}.${key}`);
}

function isGroup(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
