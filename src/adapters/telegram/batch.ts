/** The updates of one answer of getUpdates, each with its text as it came. */
import { elementsAt, isTooDeep, numberAt } from '../json-scan.ts';
import type { Answer } from './api.ts';
import { update } from './protocol.ts';

/** Updates have some 64 KiB at most; a longer one is not parsed where something is wrong. UTF-16 units. */
const LONGEST_UPDATE = 1024 * 1024;

export interface ReceivedUpdate {
  readonly value: unknown;
  /** Too deep for anything that recurses, such as JSON.stringify. */
  readonly tooDeep: boolean;
  /** As it came; looked up when asked for. */
  raw(): string;
}

/** @returns what is wrong with an answer that holds no list of updates, or not one with an id */
export function updatesOf(answer: Answer): readonly ReceivedUpdate[] | Exclude<Answer, { kind: 'ok' }> {
  switch (answer.kind) {
    case 'ok':
      return batchOf(answer) ?? { kind: 'garbled', method: 'getUpdates', status: 200, text: answer.text };
    case 'garbled':
      return salvage(answer.text) ?? answer;
    default:
      return answer;
  }
}

/** @returns `null` when the answer is no list of updates, or has not one with an id */
export function batchOf({ result, text }: Extract<Answer, { kind: 'ok' }>): readonly ReceivedUpdate[] | null {
  if (!Array.isArray(result)) return null;
  let elements: readonly string[] | null = null;
  const rawOf = (index: number) => {
    elements ??= elementsAt(text, 'result') ?? [];
    return elements[index] ?? '';
  };
  const deep = isTooDeep(text);
  const batch = result.map((value: unknown, index) => ({
    value,
    tooDeep: deep && isTooDeep(rawOf(index)),
    raw: () => rawOf(index),
  }));
  return batch.length === 0 || batch.some(hasId) ? batch : null;
}

/**
 * The same of an answer that is no JSON: one broken update must not keep those around it from being read, nor come again
 * for 24 hours. Each begins with its id, which cannot stand in a text like that: quotes are escaped there.
 *
 * @returns `null` when the answer is cut short, or no such list
 */
function salvage(text: string): readonly ReceivedUpdate[] | null {
  const whole = /^\s*\{\s*"ok"\s*:\s*true\b/.test(text) && /\]\s*\}\s*$/.test(text.slice(-20));
  const starts = whole ? [...text.matchAll(/\{\s*"update_id"\s*:\s*\d/g)].map(({ index }) => index) : [];
  if (starts.length === 0) return null;
  return starts.map((start, index) => {
    const raw = withoutEnd(text.slice(start, starts[index + 1] ?? text.length).trimEnd());
    return { value: raw.length > LONGEST_UPDATE ? null : parsed(raw), tooDeep: isTooDeep(raw), raw: () => raw };
  });
}

/** Of the last update, what closes the list and the answer; of the others, the comma. */
function withoutEnd(text: string): string {
  if (text.endsWith(',')) return text.slice(0, -1).trimEnd();
  return text.endsWith('}') && text.slice(0, -1).trimEnd().endsWith(']') ? text.slice(0, text.lastIndexOf(']')) : text;
}

/** The update of an answer that was to bring one, found without reading it; `null`: there is none, or not one alone. */
export function onlyUpdateIn(text: string): { readonly id: number; readonly raw: string } | null {
  const [raw, ...others] = elementsAt(text, 'result') ?? [];
  const id = raw === undefined || others.length > 0 ? null : numberAt(raw, 'update_id');
  return raw === undefined || id === null ? null : { id, raw };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function hasId({ value, raw }: ReceivedUpdate): boolean {
  return update.safeParse(value).success || numberAt(raw(), 'update_id') !== null;
}
