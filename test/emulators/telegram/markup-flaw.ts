/** Markup the platform's parsers refuse. The message is theirs, to the letter. */
export class MarkupFlaw extends Error {
  override readonly name = 'MarkupFlaw';
}

/** Where that character stands, as the platform counts: in bytes of UTF-8. */
export function byteOffset(text: string, index: number): number {
  return Buffer.byteLength(text.slice(0, index));
}
