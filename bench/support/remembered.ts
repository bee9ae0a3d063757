/** What Redis keeps of messages that were answered: their ids, and how many parts each reply has had. */
import type { Holdfast } from './holdfast.ts';

/** A key that expires has an entry in a second table, and a place in the index of both. */
const EXPIRY_BYTES = 24 + 2 * 8;

/** @returns bytes, as `MEMORY USAGE` tells them; of ordinals one in place of all, which are alike */
export async function rememberedBytes({ client, places }: Holdfast): Promise<number> {
  const pipeline = client.pipeline();
  for (const at of places) for (const window of [0, 1, 2]) pipeline.memory('USAGE', at.seen(window));
  const ids = ((await pipeline.exec()) ?? []).reduce((sum, [, bytes]) => sum + Number(bytes ?? 0), 0);
  const counts = client.pipeline();
  for (const { counters } of places) counts.hget(counters, 'replies');
  const replies = ((await counts.exec()) ?? []).reduce((sum, [, n]) => sum + Number(n ?? 0), 0);
  return ids + replies * ((await ordinalBytes(client)) + EXPIRY_BYTES);
}

async function ordinalBytes(client: Holdfast['client']): Promise<number> {
  for await (const found of client.scanStream({ match: '*:replies:*', count: 1_000 })) {
    const [key] = found as string[];
    if (key !== undefined) return Number((await client.memory('USAGE', key)) ?? 0);
  }
  return 0;
}
