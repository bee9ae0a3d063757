/**
 * Secrets that were planted, and the search for them in all the spellings in which they could have got somewhere. A search
 * that finds nothing proves little unless it can find something: each place names words that must be found in it.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

export interface Place {
  readonly name: string;
  readonly text: string | Buffer;
  /** Must stand there. */
  readonly contains: string;
}

/** The same secret as it stands in JSON, URLs, headers and dumps. */
function spellings(secret: string): ReadonlySet<string> {
  const bytes = Buffer.from(secret);
  return new Set([
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    bytes.toString('base64'),
    bytes.toString('base64url'),
    bytes.toString('hex'),
    createHash('sha256').update(secret).digest('hex'),
  ]);
}

/** @returns one line per secret found: its name and the place, never the secret */
export function leaks(secrets: Readonly<Record<string, string>>, places: readonly Place[]): string[] {
  const found: string[] = [];
  for (const { name: place, text, contains } of places) {
    if (!text.includes(contains)) found.push(`${place} cannot have been read: "${contains}" is not there`);
    for (const [name, secret] of Object.entries(secrets)) {
      for (const spelling of spellings(secret)) {
        const at = text.indexOf(spelling);
        if (at < 0) continue;
        const before = text.toString().slice(0, at).slice(-160);
        found.push(`${name} in ${place}, after: ${before}`);
      }
    }
  }
  return found;
}

/** Every file below a folder. */
export function filesIn(folder: string): { readonly path: string; readonly bytes: Buffer }[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => ({ path, bytes: readFileSync(path) }));
}
