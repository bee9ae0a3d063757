/** Everybody who talks to the bots, on both platforms. */
import { type Crowd, PLATFORMS, type PlatformName, TITLES } from './crowd.ts';
import type { Tally } from './tally.ts';

export type Counts = Readonly<Record<PlatformName, Tally>>;

export class Traffic implements Disposable {
  readonly qq: Crowd;
  readonly telegram: Crowd;

  constructor(crowds: Readonly<Record<PlatformName, Crowd>>) {
    this.qq = crowds.qq;
    this.telegram = crowds.telegram;
  }

  get chats(): number {
    return this.qq.chats + this.telegram.chats;
  }

  /** Everybody speaks in turn, for ever. */
  start(): void {
    for (const name of PLATFORMS) this[name].start();
  }

  stop(): void {
    for (const name of PLATFORMS) this[name].stop();
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  /** Each conversation says that many messages at once; on Telegram one, as that is what a chat is answered per second. */
  burst(each: number): void {
    this.qq.burst(each);
    this.telegram.burst(1);
  }

  /** What users have seen so far, counted. */
  count(): Counts {
    return { qq: this.qq.count(), telegram: this.telegram.count() };
  }

  /** Messages without answer, of whatever fate. */
  get unanswered(): number {
    return sum(this.count(), ({ sent, answered }) => sent - answered);
  }

  /** For the moving line. */
  inWords(): string {
    const counts = this.count();
    const each = PLATFORMS.map((name) => `${TITLES[name]} ${counts[name].answered} of ${counts[name].sent} answered`);
    const doubled = sum(counts, (tally) => tally.doubled.length);
    const outOfOrder = sum(counts, (tally) => tally.outOfOrder.length);
    return `${each.join(', ')}, doubled ${doubled}, out of order ${outOfOrder}`;
  }
}

/** Over both platforms. */
export function sum(counts: Counts, of: (tally: Tally) => number): number {
  return PLATFORMS.reduce((total, name) => total + of(counts[name]), 0);
}
