import { wellFormed } from './bounded.ts';

/** The secrets of this process by value: those of its configuration, and access tokens while they are known. */

/** Shorter strings would also be found in innocent words. */
const MIN_SECRET_LENGTH = 6;
export const REDACTED = '[redacted]';

/**
 * Registered values, found in a text by their first characters: what a line costs must not grow with their number, of
 * which a process with hundreds of connections has two for each.
 */
class KnownSecrets {
  /** Spelling → how often it was registered: two connections may share a secret. */
  readonly #counts = new Map<string, number>();
  /** Spellings by their first {@link MIN_SECRET_LENGTH} characters, which thousands of tokens may have in common. */
  readonly #byStart = new Map<string, Set<string>>();

  add(value: string): void {
    for (const spelling of spellingsOf(value)) {
      const count = this.#counts.get(spelling) ?? 0;
      this.#counts.set(spelling, count + 1);
      if (count > 0) continue;
      const start = spelling.slice(0, MIN_SECRET_LENGTH);
      const alike = this.#byStart.get(start);
      if (alike === undefined) this.#byStart.set(start, new Set([spelling]));
      else alike.add(spelling);
    }
  }

  remove(value: string): void {
    for (const spelling of spellingsOf(value)) {
      const count = this.#counts.get(spelling) ?? 0;
      if (count > 1) {
        this.#counts.set(spelling, count - 1);
        continue;
      }
      this.#counts.delete(spelling);
      const start = spelling.slice(0, MIN_SECRET_LENGTH);
      const alike = this.#byStart.get(start);
      alike?.delete(spelling);
      if (alike?.size === 0) this.#byStart.delete(start);
    }
  }

  /** @param cut - the text went on: a secret that it ends in the middle of is taken out as well */
  redact(text: string, cut: boolean): string {
    if (this.#byStart.size === 0) return text;
    let clean = '';
    let from = 0;
    for (let at = 0; at + MIN_SECRET_LENGTH <= text.length; ) {
      const length = this.#longestAt(text, at, cut);
      if (length === 0) {
        at += 1;
        continue;
      }
      clean += text.slice(from, at) + REDACTED;
      at += length;
      from = at;
    }
    return from === 0 ? text : clean + text.slice(from);
  }

  /** The longest: a secret that another one begins with goes with it. */
  #longestAt(text: string, at: number, cut: boolean): number {
    let length = 0;
    for (const spelling of this.#byStart.get(text.slice(at, at + MIN_SECRET_LENGTH)) ?? []) {
      const left = text.length - at;
      const found = cut && spelling.length > left ? spelling.slice(0, left) : spelling;
      if (found.length > length && text.startsWith(found, at)) length = found.length;
    }
    return length;
  }
}

const registered = new KnownSecrets();

function spellingsOf(secret: string): ReadonlySet<string> {
  return new Set([secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(wellFormed(secret))]);
}

/**
 * From now on `value` appears in no line of any logger of this process, not even JSON- or URL-encoded. Values shorter than
 * {@link MIN_SECRET_LENGTH} are left alone.
 *
 * @returns forgets the value again: for access tokens, which come anew every few hours. Safe to call twice.
 */
export function registerSecret(value: string): () => void {
  if (value.length < MIN_SECRET_LENGTH) return () => {};
  registered.add(value);
  let held = true;
  return () => {
    if (held) registered.remove(value);
    held = false;
  };
}

/** `text` without registered values. @param cut - it is the start of a longer text */
export function withoutKnownSecrets(text: string, cut: boolean): string {
  return registered.redact(text, cut);
}
