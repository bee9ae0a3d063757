/** Pure. */

/** @param detail - words, or a change of state as its holder wrote it (JSON) */
export function describeDetail(detail: string): string {
  if (!detail.startsWith('{')) return detail;
  try {
    const { state, reason, how } = JSON.parse(detail) as { state: string; reason?: string | null; how?: string | null };
    return [state, how == null ? '' : ` (${how})`, reason == null ? '' : `: ${reason}`].join('');
  } catch {
    return detail;
  }
}
