/**
 * A day that did not happen, written where a real one would stand, so that the pictures show what a day looks like: a
 * worker that died, an outage at night, a deploy, a proxy that went away. What the pictures show of the present is real.
 */
import type { ConnectionId } from '../../src/model.ts';
import type { Keys } from '../../src/state/keys.ts';
import { MINUTE_MS, noteMinutes } from '../../src/state/minutes.ts';
import type { RedisClient } from '../../src/state/redis.ts';
import { type SeenState, STATE_BITS } from '../../src/status/timeline-state.ts';

/** Minutes before now, and the fields of an entry of the history. */
type Line = readonly [ago: number, fields: Readonly<Record<string, string>>];

interface Story {
  readonly id: string;
  /** Messages per minute at the busiest hour. */
  readonly busy: number;
  readonly seen: (ago: number) => readonly SeenState[];
  readonly history: readonly Line[];
  readonly counters: Readonly<Record<string, number>>;
}

const between = (ago: number, from: number, to: number) => ago <= from && ago > to;
const live = (how: string) => ({ what: 'state', detail: JSON.stringify({ state: 'live', reason: null, how }) });
const waiting = (reason: string) => ({ what: 'state', detail: JSON.stringify({ state: 'waiting', reason }) });
const claimed = (worker: string, last: string, rest = {}) => ({ what: 'claimed', worker, last, ...rest });

const STORIES: readonly Story[] = [
  {
    id: 'qq-main',
    busy: 14,
    seen: (ago) => (ago === 610 ? ['live', 'down'] : between(ago, 385, 371) ? ['down', 'connecting'] : ['live']),
    history: [
      [1_900, claimed('nas-2/2214', '')],
      [1_899.9, live('identified')],
      [610, { what: 'declared-dead', detail: 'its process is gone (two looks, no presence)' }],
      [609.98, claimed('nas-1/1873', 'nas-2/2214', { heardAt: '1' })],
      [609.95, live('resumed')],
      [385, waiting('gateway dial: connect timed out after 10 s')],
      [371, live('resumed')],
      [180, { what: 'released', detail: 'drained: SIGTERM', why: 'process' }],
      [179.99, claimed('nas-2/5120', 'nas-1/1873')],
      [179.98, live('resumed')],
      [2, { what: 'released', detail: 'handed over: the operator asked for it' }],
    ],
    counters: { takeovers: 3, resumed: 4, identified: 1, duplicates: 6 },
  },
  {
    id: 'tg-main',
    busy: 5,
    seen: (ago) => (between(ago, 905, 903) ? ['connecting'] : ['live']),
    history: [
      [1_900, claimed('nas-2/2214', '')],
      [1_899.9, live('identified')],
      [905, waiting('getUpdates: connection reset (ECONNRESET)')],
      [903, live('resumed')],
      [610, { what: 'declared-dead', detail: 'its process is gone (two looks, no presence)' }],
      [609.98, claimed('nas-1/1873', 'nas-2/2214', { heardAt: '1' })],
      [609.96, live('resumed')],
      [2, { what: 'released', detail: 'handed over: the operator asked for it' }],
    ],
    counters: { takeovers: 2, resumed: 2, identified: 1 },
  },
  {
    id: 'qq-office',
    busy: 3,
    seen: (ago) => (ago <= 47 ? ['down', 'connecting'] : ['live']),
    history: [
      [1_900, claimed('nas-1/1873', '')],
      [1_899.9, live('identified')],
      [47, waiting('access token: proxy connection refused (ECONNREFUSED) [http proxy 127.0.0.1:7890]')],
    ],
    counters: { takeovers: 1, resumed: 2, identified: 1 },
  },
  { id: 'qq-test', busy: 0, seen: (ago) => (ago <= 300 ? ['parked'] : []), history: [], counters: {} },
];

const WORKERS: readonly (readonly [ago: number, worker: string, what: string])[] = [
  [610, 'nas-2/2214', 'died'],
  [607, 'nas-2/5120', 'joined'],
  [180, 'nas-1/1873', 'drained'],
  [178, 'nas-1/7702', 'joined'],
];

const DAY_MINUTES = 1_441;

export async function writePast(client: RedisClient, keys: Keys): Promise<void> {
  const now = Date.now();
  for (const story of STORIES) await writeStory(client, keys, story, now);
  const log = WORKERS.map(([ago, worker, what]): Line => [ago, { worker, what }]);
  await putBefore(client, keys.workerLog, log, now);
}

async function writeStory(
  client: RedisClient,
  keys: Keys,
  { id, busy, seen, ...story }: Story,
  now: number,
): Promise<void> {
  const own = keys.connection(id as ConnectionId);
  let events = 0;
  const eventsAt = new Map<number, number>();
  const notes = Array.from({ length: DAY_MINUTES }, (_, n) => {
    const ago = DAY_MINUTES - n;
    const at = now - ago * MINUTE_MS;
    const states = seen(ago).reduce((bits, state) => bits | STATE_BITS[state], 0);
    if (states === STATE_BITS.live) events += messagesAt(at, busy);
    eventsAt.set(ago, events);
    return { id: id as ConnectionId, minute: Math.floor(at / MINUTE_MS), states, events };
  });
  await noteMinutes(
    client,
    keys,
    notes.filter(({ states }) => states !== 0),
  );
  let token = '';
  const history = story.history.map(([ago, fields]): Line => {
    if (fields.what !== 'claimed') return [ago, { ...fields, token }];
    token = String(Math.floor(now - ago * MINUTE_MS));
    return [ago, { ...fields, token, events: String(eventsAt.get(Math.ceil(ago)) ?? 0) }];
  });
  await putBefore(client, own.history, history, now, events);
  for (const [name, count] of Object.entries({ ...story.counters, events }))
    await client.hincrby(own.counters, name, count);
}

/** Few at night, most in the evening, never the same. */
function messagesAt(at: number, busy: number): number {
  const hour = (at / 3_600_000) % 24;
  const daily = 0.5 - 0.5 * Math.cos(((hour - 4) / 24) * 2 * Math.PI);
  const noise = Math.abs(Math.sin(at / MINUTE_MS) * 43_758.5453) % 1;
  return Math.floor(busy * daily * (0.4 + noise));
}

/**
 * Entries of a stream have to come in order: what is there is written again after what was before.
 *
 * @param events - messages that had been stored before what is there
 */
async function putBefore(
  client: RedisClient,
  key: string,
  lines: readonly Line[],
  now: number,
  events = 0,
): Promise<void> {
  const present = await client.xrange(key, '-', '+');
  const write = client.multi().del(key);
  for (const [n, [ago, fields]] of lines.entries()) {
    write.xadd(key, `${Math.floor(now - ago * MINUTE_MS)}-${n}`, ...Object.entries(fields).flat());
  }
  for (const [id, fields] of present) {
    write.xadd(key, id, ...fields.map((field, n) => (fields[n - 1] === 'events' ? String(events) : field)));
  }
  await write.exec();
}
