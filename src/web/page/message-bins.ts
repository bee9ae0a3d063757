/** Messages per minute, gathered into as many values as there is room for. Pure. */

/** @returns means of the known minutes; `null` where none is known */
export function gather(perMinute: readonly (number | null)[], bins: number): (number | null)[] {
  const count = Math.max(1, Math.min(bins, perMinute.length));
  return Array.from({ length: count }, (_, index) => {
    const from = Math.floor((index * perMinute.length) / count);
    const to = Math.floor(((index + 1) * perMinute.length) / count);
    const known = perMinute.slice(from, to).filter((each) => each !== null);
    return known.length === 0 ? null : known.reduce((sum, each) => sum + each, 0) / known.length;
  });
}
