/**
 * Counts each bot's authenticated sockets over time. A test asks here whether two owners were ever connected at once,
 * and for how long.
 */
interface Roll {
  readonly present: Set<number>;
  peak: number;
  overlapMs: number;
  overlapSince: number | null;
}

export class Attendance {
  readonly #rolls = new Map<string, Roll>();

  arrive(appId: string, socket: number): void {
    const roll = this.#roll(appId);
    roll.present.add(socket);
    roll.peak = Math.max(roll.peak, roll.present.size);
    if (roll.present.size >= 2) roll.overlapSince ??= performance.now();
  }

  leave(appId: string, socket: number): void {
    const roll = this.#roll(appId);
    if (!roll.present.delete(socket) || roll.present.size >= 2 || roll.overlapSince === null) return;
    roll.overlapMs += performance.now() - roll.overlapSince;
    roll.overlapSince = null;
  }

  now(appId: string): number {
    return this.#roll(appId).present.size;
  }

  /** Most sockets at once, and how many ms two or more were there. */
  overlap(appId: string): { readonly peak: number; readonly overlapMs: number } {
    const { peak, overlapMs, overlapSince } = this.#roll(appId);
    return { peak, overlapMs: overlapMs + (overlapSince === null ? 0 : performance.now() - overlapSince) };
  }

  #roll(appId: string): Roll {
    let roll = this.#rolls.get(appId);
    if (roll === undefined) {
      roll = { present: new Set(), peak: 0, overlapMs: 0, overlapSince: null };
      this.#rolls.set(appId, roll);
    }
    return roll;
  }
}
