/** The updates of one answer of getUpdates, each with its text as it came. */
import { elementsAt, isTooDeep, numberAt } from '../json-scan.ts';
import type { Answer } from './api.ts';
import { update } from './protocol.ts';

export interface ReceivedUpdate {
  readonly value: unknown;
  /** Too deep for anything that recurses, such as JSON.stringify. */
  readonly tooDeep: boolean;
  /** As it came; looked up when asked for. */
  raw(): string;
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

function hasId({ value, raw }: ReceivedUpdate): boolean {
  return update.safeParse(value).success || numberAt(raw(), 'update_id') !== null;
}
