/** Cuts a text that a platform called too long although it kept to the limit we know. Pure. */

const FENCE = /^\s{0,3}(`{3,}|~{3,})[^\n]*$/;

/**
 * Cuts into pieces of about half the length, at the best boundary near the middle: an empty line, a line, a sentence, a
 * word; in need anywhere but inside a surrogate pair. A code fence that is cut is closed and opened again.
 *
 * @returns two pieces, or the text alone when it can't be cut
 */
export function splitSmaller(text: string): readonly string[] {
  const at = boundary(text);
  if (at <= 0 || at >= text.length) return [text];
  const left = text.slice(0, at).trimEnd();
  const right = text.slice(at).trimStart();
  if (left === '' || right === '') return [text];
  const fence = openFence(left);
  if (fence === null) return [left, right];
  // Inside code the indentation stays.
  return [`${left}\n${fence.mark}`, `${fence.line}\n${text.slice(at).replace(/^\n/, '')}`];
}

/** Where to cut: after the boundary nearest to the middle, looked for in the middle half, the best kind first. */
function boundary(text: string): number {
  const middle = Math.floor(text.length / 2);
  const from = Math.floor(text.length / 4);
  const to = text.length - from;
  for (const mark of [/\n\s*\n/g, /\n/g, /[.!?。！？]\s*/g, /\s/g]) {
    let best = -1;
    for (const match of text.matchAll(mark)) {
      const end = match.index + match[0].length;
      if (end > from && end < to && (best === -1 || Math.abs(end - middle) < Math.abs(best - middle))) best = end;
    }
    if (best !== -1) return best;
  }
  return /[\uD800-\uDBFF]/.test(text.charAt(middle - 1)) ? middle - 1 : middle;
}

/** The fence that is still open at the end of `text`. */
function openFence(text: string): { readonly line: string; readonly mark: string } | null {
  let open: { readonly line: string; readonly mark: string } | null = null;
  for (const line of text.split('\n')) {
    const mark = FENCE.exec(line)?.[1];
    if (mark === undefined) continue;
    if (open === null) open = { line, mark };
    else if (mark.startsWith(open.mark) && line.trim() === mark) open = null;
  }
  return open;
}
