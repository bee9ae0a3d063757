/** Sides of a comparison in turn, round by round, so that what else the machine does hits all of them. */
import type { Side } from './compare.ts';
import type { Bench } from './row.ts';

/** What one round of one side measured, by name. */
export type Figures = Readonly<Record<string, number>>;

export interface Contestant {
  readonly name: string;
  round(): Promise<Figures>;
}

export interface Measured {
  /** The samples of one figure of one contestant. */
  side(contestant: string, figure: string): Side;
}

/** @param options.rounds - after one that does not count */
export async function interleave(
  bench: Bench,
  contestants: readonly Contestant[],
  { rounds, warmUps = 1 }: { readonly rounds: number; readonly warmUps?: number },
): Promise<Measured> {
  const taken = new Map<string, Figures[]>(contestants.map(({ name }) => [name, []]));
  const skipped = bench.brief ? 0 : warmUps;
  const total = bench.brief ? 1 : rounds + skipped;
  for (let round = 0; round < total; round += 1) {
    // The order changes, so that nobody always comes after the same neighbour.
    const inTurn = round % 2 === 0 ? contestants : contestants.toReversed();
    for (const { name, round: run } of inTurn) {
      bench.say(`round ${round + 1} of ${total}: ${name}`);
      const figures = await run();
      if (round >= skipped) taken.get(name)?.push(figures);
    }
  }
  return {
    side: (name, figure) => ({ name, samples: (taken.get(name) ?? []).map((each) => each[figure] ?? Number.NaN) }),
  };
}
