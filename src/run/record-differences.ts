/** In what the record of a configured connection differs from what this process is configured with. Pure. */
import { isDeepStrictEqual } from 'node:util';
import { type ConnectionConfig, isRecordOf } from '../config.ts';
import { ownValue } from '../model.ts';
import type { DesiredConnection } from '../state/desired.ts';

/**
 * Names keys, never values: those of a tampered record are somebody else's text.
 *
 * @returns empty when they agree. A version before or after this one may know other options; those do not count, and
 *   neither does a proxy, of which each host may have its own
 */
export function differences(record: DesiredConnection, own: ConnectionConfig): string[] {
  const found: string[] = [];
  if (record.source !== 'config') found.push('source');
  if (record.platform !== own.platform) found.push('platform');
  const theirs = asGroup(record.options);
  for (const [key, value] of Object.entries(own.options)) {
    if (Object.hasOwn(theirs, key) && !isDeepStrictEqual(ownValue(theirs, key), value)) found.push(key);
  }
  if (found.length > 0 || record.mac === undefined || record.mac === own.mac) return found;
  if (!isRecordOf(own, record)) found.push('secret');
  return found;
}

function asGroup(options: unknown): Readonly<Record<string, unknown>> {
  return typeof options === 'object' && options !== null ? (options as Record<string, unknown>) : {};
}
