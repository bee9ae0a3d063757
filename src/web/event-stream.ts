/**
 * Server-sent events for one client. What is sent is a picture of the present, so the newest replaces what a slow client
 * has not taken yet, and nothing piles up here.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html, read 2026-11-29
 */
import type { FastifyReply } from 'fastify';

export interface EventStream {
  /** @param event - as {@link formatEvent} makes it. Does nothing once the stream has ended */
  send(event: string): void;
  /** The last words of this side; safe to call twice. */
  end(): void;
}

/** A line that means nothing: proxies cut what is silent, ms. */
const KEEPALIVE_MS = 15_000;
/** Who has not taken an event within this is gone, or cannot keep up, ms. */
const SLOW_MS = 10_000;
/** The browser comes back by itself, and shows then that it still may, ms. */
const LONGEST_MS = 3_600_000;
/** When it comes back, ms. */
const RETRY_MS = 1_000;

export function formatEvent(name: string, data: unknown): string {
  // JSON has no line breaks of its own.
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

export interface EventStreamOptions {
  /** Called once, whoever ended it. */
  onEnd(): void;
  /** Asked every {@link KEEPALIVE_MS}: the stream ends when its client may no longer watch, by logging out. Never throws. */
  isWelcome(): Promise<boolean>;
}

/** Takes the reply over: no hook and no timeout of the application touches it from here on. */
export function openEventStream(reply: FastifyReply, { onEnd, isWelcome }: EventStreamOptions): EventStream {
  reply.hijack();
  const { raw } = reply;
  const own = {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    // For nginx, which would gather events before it passes them on.
    'x-accel-buffering': 'no',
  };
  for (const [name, value] of Object.entries({ ...reply.getHeaders(), ...own })) {
    if (value !== undefined) raw.setHeader(name, value);
  }
  let behindSince: number | null = null;
  let next: string | null = null;

  const write = (text: string): void => {
    if (raw.writableEnded || raw.destroyed) return;
    behindSince = raw.write(text) ? null : performance.now();
  };
  const tick = async (): Promise<void> => {
    if (behindSince === null) write(': keepalive\n\n');
    else if (performance.now() - behindSince > SLOW_MS) raw.destroy();
    if (!(await isWelcome())) raw.end();
  };
  const keepalive = setInterval(() => void tick(), KEEPALIVE_MS);
  const longest = setTimeout(() => raw.end(), LONGEST_MS);
  raw.on('drain', () => {
    behindSince = null;
    const waiting = next;
    next = null;
    if (waiting !== null) write(waiting);
  });
  raw.on('error', () => raw.destroy());
  raw.once('close', () => {
    clearInterval(keepalive);
    clearTimeout(longest);
    onEnd();
  });
  write(`retry: ${RETRY_MS}\n\n`);

  return {
    send(event) {
      if (behindSince === null) return write(event);
      next = event;
      if (performance.now() - behindSince > SLOW_MS) raw.destroy();
    },
    end() {
      raw.end();
    },
  };
}
