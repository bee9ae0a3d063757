/**
 * The newest overview, how long ago it came, and what became of the stream it came by. The browser's EventSource connects
 * again by itself after a loss; what it takes for final (an answer other than 200), and what it cannot notice (a half-open
 * socket), is dealt with here.
 */
import { batch, computed, signal } from '@preact/signals';
import type { OverviewDocument } from './documents.ts';
import { elapsedSince, type Moment, thisMoment } from './elapsed.ts';
import { type Freshness, judgeFreshness, type StreamState } from './freshness.ts';
import { CallFailed, call, messageOf } from './http.ts';

const TICK_MS = 250;
const RETRY_MS = 2_000;
/** Without a word for this long the socket is given up for a new one. */
const GIVE_UP_MS = 15_000;

const now = signal<Moment>(thisMoment());
const news = signal<{ readonly overview: OverviewDocument; readonly heard: Moment } | null>(null);
const stream = signal<StreamState>({ name: 'open' });

export const overview = computed<OverviewDocument | null>(() => news.value?.overview ?? null);

/** Age of the newest overview, ms; 0 before the first. */
export const sinceNews = computed(() => (news.value === null ? 0 : elapsedSince(news.value.heard, now.value)));

/** Redis's clock, as far as we can tell, ms since the epoch: all instants that are shown are of that clock. */
export const redisNow = computed(() =>
  news.value === null ? Date.now() : Date.parse(news.value.overview.status.at) + sinceNews.value,
);

export const freshness = computed<Freshness>(() =>
  judgeFreshness(news.value === null ? null : sinceNews.value, stream.value),
);

export const isSilent = computed(() => freshness.value.kind === 'silent');

let source: EventSource | undefined;
/** When the present socket was opened, or last said something. */
let lastSign = thisMoment();

export function followNews(): void {
  open();
  setInterval(tick, TICK_MS);
  // Timers of a hidden page are slowed down.
  document.addEventListener('visibilitychange', tick);
}

function tick(): void {
  now.value = thisMoment();
  if (elapsedSince(lastSign, now.value) > GIVE_UP_MS) open();
}

function open(): void {
  source?.close();
  lastSign = thisMoment();
  const opened = new EventSource('/api/events');
  source = opened;
  opened.addEventListener('overview', ({ data }: MessageEvent<string>) => hear(JSON.parse(data) as OverviewDocument));
  opened.addEventListener('trouble', ({ data }: MessageEvent<string>) => {
    lastSign = thisMoment();
    stream.value = { name: 'blind', reason: (JSON.parse(data) as { reason: string }).reason };
  });
  opened.addEventListener('error', () => {
    if (source !== opened) return;
    if (opened.readyState === EventSource.CLOSED) void askWhy(opened);
    else stream.value = { name: 'lost', reason: `Holdfast at ${location.host} does not answer; trying again` };
  });
}

function hear(overview: OverviewDocument): void {
  lastSign = thisMoment();
  batch(() => {
    now.value = lastSign;
    news.value = { overview, heard: lastSign };
    stream.value = { name: 'open' };
  });
}

/** The stream was refused, and EventSource does not say why. A call of the same kind does, or sends us to log in. */
async function askWhy(refused: EventSource): Promise<void> {
  try {
    hear(await call<OverviewDocument>('/api/overview'));
  } catch (error) {
    const name = error instanceof CallFailed && error.status !== null ? 'blind' : 'lost';
    stream.value = { name, reason: messageOf(error) };
  }
  setTimeout(() => {
    if (source === refused) open();
  }, RETRY_MS);
}
