import type { StatusDocument } from '../status/document.ts';
import { table } from './terminal.ts';

/** `4.2 s`, `3 min`, `2 h`, `5 d`; ages are for reading, not for arithmetic. */
export function duration(ms: number | null): string {
  if (ms === null) return '–';
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 172_800_000) return `${Math.round(ms / 3_600_000)} h`;
  return `${Math.round(ms / 86_400_000)} d`;
}

/** One row per connection; the reason stands where a person looks first. */
export function connectionTable(status: StatusDocument): string {
  const now = Date.parse(status.at);
  const rows = status.connections.map((connection) => {
    const { since, nextAttemptAt } = connection;
    return [
      `${connection.id} (${connection.platform})`,
      connection.state === 'live' && connection.chain.state === 'failing' ? 'live, not answered' : connection.state,
      since === null ? '–' : duration(now - Date.parse(since)),
      duration(connection.lastRoundTripAgeMs),
      duration(connection.lastEventAgeMs),
      connection.owner ?? '–',
      nextAttemptAt === null ? '–' : `in ${duration(Math.max(0, Date.parse(nextAttemptAt) - now))}`,
      connection.reason ?? connection.chain.reason ?? connection.remark ?? '',
    ];
  });
  return table(rows, {
    head: ['connection', 'state', 'for', 'round trip', 'last event', 'owner', 'next', 'why'],
    widths: [null, null, null, null, null, null, null, 44],
  });
}
