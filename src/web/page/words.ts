/** How the page says durations, instants and numbers. Pure. */

/** @returns `0 s`, `45 s`, `2 min 13 s`, `3 h 5 min`, `2 d 4 h`: whole seconds, for what ticks */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return pair(minutes, 'min', seconds % 60, 's');
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? pair(hours, 'h', minutes % 60, 'min') : pair(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

function pair(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

/** @returns `1 connection`, `2 connections` */
export function plural(count: number, noun: string): string {
  return `${number(count)} ${noun}${count === 1 ? '' : 's'}`;
}

const numbers = new Intl.NumberFormat('en');

export function number(value: number): string {
  return numbers.format(value);
}

const HOUR_AND_MINUTE = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const;
const clock = new Intl.DateTimeFormat('en-GB', HOUR_AND_MINUTE);
const clockWithSeconds = new Intl.DateTimeFormat('en-GB', { ...HOUR_AND_MINUTE, second: '2-digit' });
const dayAndClock = new Intl.DateTimeFormat('en-GB', {
  ...HOUR_AND_MINUTE,
  day: 'numeric',
  month: 'short',
  second: '2-digit',
});

/** `14:05`, by the clock of the reader. */
export function timeOfDay(at: number): string {
  return clock.format(at);
}

/** `14:05:09` within a day of `now`, else `28 Nov, 14:05:09`. */
export function instant(at: number, now: number): string {
  return (Math.abs(now - at) < 43_200_000 ? clockWithSeconds : dayAndClock).format(at);
}

const PLATFORMS: ReadonlyMap<string, string> = new Map([
  ['qq', 'QQ'],
  ['telegram', 'Telegram'],
]);

export function platformName(platform: string): string {
  return PLATFORMS.get(platform) ?? platform;
}
