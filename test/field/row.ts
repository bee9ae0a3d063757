/** One finding of the field, and the test that it makes. */
import { describe, it } from 'vitest';
import { Stage } from './stage.ts';

export interface FieldRow {
  /** The finding, e.g. `G03`; a sibling of it has a letter behind, e.g. `G03b`. */
  readonly id: string;
  /** What must happen, as the end of a sentence that begins with "must". */
  readonly must: string;
  /** Why it cannot run on this machine; null or absent where it can. */
  readonly cannot?: string | null;
  /** @defaultValue 60 000 ms */
  readonly timeoutMs?: number;
  run(stage: Stage): Promise<void>;
}

/** A finding that is known and not mended yet: it stands among the tests, and passes for none. */
export interface LaterRow extends Pick<FieldRow, 'id' | 'must'> {
  /** What has to be built for it. */
  readonly needs: string;
}

export function later(rows: readonly LaterRow[]): void {
  describe('not built yet', () => {
    for (const { id, must, needs } of rows) it.todo(`must ${must} (${id}): needs ${needs}`);
  });
}

/** Makes a test of each row. Skipped ones say why. */
export function replay(subject: string, rows: readonly FieldRow[]): void {
  describe(subject, () => {
    for (const { id, must, cannot = null, timeoutMs = 60_000, run } of rows) {
      if (cannot !== null) {
        console.warn(`field corpus: ${id} is skipped: ${cannot}`);
        it.skip(`must ${must} (${id}): ${cannot}`);
        continue;
      }
      it(`must ${must} (${id})`, { timeout: timeoutMs }, async () => {
        await using stage = new Stage();
        await run(stage);
        stage.expectNothingOdd();
      });
    }
  });
}
