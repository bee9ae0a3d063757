/** Bodies that come compressed although nobody asked for it: unpacked piece by piece, and bounded behind that. */
import { pipeline, type Readable, type Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';

const UNPACKERS = new Map<string, () => Transform>([
  ['gzip', createGunzip],
  ['x-gzip', createGunzip],
  ['deflate', createInflate],
  ['br', createBrotliDecompress],
]);
/** Each wrapping multiplies the work. */
const MOST_WRAPPINGS = 2;

/** What `Content-Encoding` names, the last one first; `null`: something that is not known here. */
export function unpackersFor(contentEncoding: string | undefined): readonly Transform[] | null {
  const names = (contentEncoding ?? '')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '' && name !== 'identity');
  if (names.length > MOST_WRAPPINGS) return null;
  const makers = names.reverse().map((name) => UNPACKERS.get(name));
  return makers.every((make) => make !== undefined) ? makers.map((make) => make()) : null;
}

/**
 * The unpacked bytes, at most `most` of them; then it ends and closes `packed`, without an error.
 *
 * @returns whether there were more
 */
export async function* unpacked(
  packed: Readable,
  unpackers: readonly Transform[],
  most: number,
): AsyncGenerator<Buffer, boolean> {
  const last = unpackers.at(-1) ?? packed;
  // Whoever reads `last` is told of errors by it.
  if (unpackers.length > 0) pipeline([packed, ...unpackers], () => {});
  let size = 0;
  for await (const chunk of last as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > most) {
      const fits = chunk.length - (size - most);
      if (fits > 0) yield chunk.subarray(0, fits);
      return true;
    }
    yield chunk;
  }
  return false;
}
