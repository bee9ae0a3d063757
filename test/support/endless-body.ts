/** Bodies that a server writes for as long as somebody reads, and the ways to pack them. */
import type { ServerResponse } from 'node:http';
import { Readable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createBrotliCompress, createDeflate, createGzip } from 'node:zlib';

export const PACKERS: Readonly<Record<'gzip' | 'br' | 'deflate', () => Transform>> = {
  gzip: () => createGzip({ level: 1 }),
  br: () => createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }),
  deflate: () => createDeflate({ level: 1 }),
};

/** `piece`, again and again, until `bytes` are written. */
export function repeated(piece: string, bytes: number): Readable {
  const block = Buffer.from(piece.repeat(Math.max(1, Math.floor(65_536 / piece.length))));
  let left = bytes;
  return new Readable({
    read() {
      if (left <= 0) this.push(null);
      else this.push(block.subarray(0, Math.min(block.length, left)));
      left -= block.length;
    },
  });
}

/** Ends quietly when the other side has had enough. @returns whether that was so */
export async function send(body: Readable, response: ServerResponse, packer?: Transform): Promise<boolean> {
  try {
    if (packer === undefined) await pipeline(body, response);
    else await pipeline(body, packer, response);
    return false;
  } catch {
    return true;
  }
}
