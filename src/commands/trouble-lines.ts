/** What keeps people from being answered, in lines for people. */
import type { Trouble } from '../status/chain.ts';
import type { StatusDocument } from '../status/document.ts';
import { duration } from './table.ts';
import { line } from './terminal.ts';

const MARKS: Readonly<Record<Trouble['state'], string>> = { failing: 'NOT ANSWERED', watch: 'note' };

/** What a person looks for first: is somebody not answered, and why? Nothing where all is well. */
export function troubleLines({ at, chain: { troubles, more } }: StatusDocument): string {
  const now = Date.parse(at);
  // Which state a connection is in stands in the table.
  const told = troubles.filter(({ kind }) => kind !== 'disconnected');
  const lines = told.map(({ state, subject, reason, advice, since, until }) => {
    const span = since === null ? '' : `, for ${duration(Math.max(0, now - Date.parse(since)))}`;
    const end = until === null ? '' : `, until ${until}`;
    return `${line`${MARKS[state]} (${subject}${span}${end}): ${reason}`}\n${line`  → ${advice}`}\n`;
  });
  return `${lines.join('')}${more > 0 ? `and ${more} more\n` : ''}`;
}
