/**
 * The floor of receiving: `ws` and nothing around it but what the protocol asks for. What it does with an event is its
 * only setting.
 */
import { Redis } from 'ioredis';
import { Agent as HttpPool } from 'undici';
import WebSocket, { type RawData } from 'ws';
import { createAgent } from '../../src/agents/create-agent.ts';
import { obey } from '../support/child.ts';
import type { RawOrders, RawSettings } from '../support/raw-client.ts';

const settings = JSON.parse(process.argv[2] ?? '{}') as RawSettings;
const { gatewayUrl, apiBaseUrl, redisUrl, work } = settings;

const IDENTIFY_INTENTS = 1 << 25;
/** Dials that are under way at once. */
const AT_ONCE = 100;
/** Events whose answer from Redis is still out before reading stops. */
const MOST_IN_FLIGHT = 1_000;

interface Event {
  readonly s: number;
  readonly d: { readonly id: string; readonly content: string; readonly author: { readonly user_openid: string } };
}

let done = 0;
let waiting: { readonly count: number; readonly tell: (at: number) => void } | null = null;
let latencies: number[] = [];

function oneDone(): void {
  done += 1;
  if (waiting === null || done < waiting.count) return;
  waiting.tell(performance.timeOrigin + performance.now());
  waiting = null;
}

type Handler = (data: RawData, ws: WebSocket) => void;

/** XADD, the position, and the check of a token, in one script: what any durable receiver must do for each event. */
const STORE = `
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return redis.error_reply('FENCED') end
redis.call('HSET', KEYS[1], 'seq', ARGV[2])
redis.call('XADD', KEYS[2], '*', 'd', ARGV[3])
return 1`;

async function handlerOf(): Promise<Handler> {
  switch (work) {
    case 'frame':
      return oneDone;
    case 'parse':
      return (data) => {
        JSON.parse(String(data));
        oneDone();
      };
    case 'store':
      return await storing();
    case 'echo':
      return await echoing();
    default:
      return work satisfies never;
  }
}

/** An EVALSHA per event, none of them waited for before the next: the pipelined floor. */
async function storing(): Promise<Handler> {
  const redis = new Redis(redisUrl ?? '');
  const sha = String(await redis.script('LOAD', STORE));
  await redis.hset('{floor}:session', 'token', '1');
  let inFlight = 0;
  return (data, ws) => {
    const receivedAt = performance.now();
    const text = String(data);
    const { s } = JSON.parse(text) as Event;
    inFlight += 1;
    if (inFlight >= MOST_IN_FLIGHT && !ws.isPaused) ws.pause();
    redis.evalsha(sha, 2, '{floor}:session', '{floor}:events', '1', s, text).then(
      () => {
        inFlight -= 1;
        if (inFlight < MOST_IN_FLIGHT / 2 && ws.isPaused) ws.resume();
        latencies.push(performance.now() - receivedAt);
        oneDone();
      },
      (error: unknown) => {
        throw error;
      },
    );
  };
}

/** The same handler called directly: nothing is stored, and nobody else could go on with it. */
async function echoing(): Promise<Handler> {
  const agent = createAgent({ kind: 'echo' } as never);
  const pool = new HttpPool({ connections: 16, pipelining: 1 });
  const never = new AbortController().signal;
  let replies = 0;
  return (data) => {
    const { d } = JSON.parse(String(data)) as Event;
    const openid = d.author.user_openid;
    const event = { kind: 'message', eventId: d.id, conversation: openid, text: d.content, reply: { key: d.id } };
    const request = {
      id: String(++replies),
      connectionId: 'floor',
      conversation: openid,
      session: openid,
      history: [],
    };
    const answer = async () => {
      for (const { text } of await agent.reply({ ...request, messages: [event] } as never, { signal: never })) {
        const { body } = await pool.request({
          origin: apiBaseUrl,
          path: `/v2/users/${openid}/messages`,
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: 'QQBot token' },
          body: JSON.stringify({ msg_type: 0, content: text, msg_id: d.id, msg_seq: 1 }),
        });
        await body.json();
      }
      oneDone();
    };
    answer().catch((error: unknown) => {
      throw error;
    });
  };
}

const handle = await handlerOf();

/** @param sessionId - resumes it; `null` identifies. Resolves when READY or RESUMED came. */
function dial(account: number, sessionId: string | null): Promise<string> {
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(gatewayUrl, { perMessageDeflate: false, skipUTF8Validation: true });
    let isLive = false;
    let seq = 0;
    ws.on('message', (data: RawData) => {
      if (isLive) {
        const bytes = data as Buffer;
        // The answers to heartbeats are the only short frames.
        if (bytes.length > 40) handle(data, ws);
        return;
      }
      const frame = JSON.parse(String(data)) as {
        op: number;
        s?: number;
        d: { heartbeat_interval: number; session_id: string };
      };
      if (frame.op === 10) {
        const { heartbeat_interval: everyMs } = frame.d;
        const beat = () => ws.send(JSON.stringify({ op: 1, d: seq }));
        setTimeout(() => {
          beat();
          setInterval(beat, everyMs);
        }, Math.random() * everyMs);
        const token = `QQBot token-of-${102_000_000 + account}`;
        const opening =
          sessionId === null
            ? { op: 2, d: { token, intents: IDENTIFY_INTENTS, shard: [0, 1], properties: {} } }
            : { op: 6, d: { token, session_id: sessionId, seq: 1 } };
        ws.send(JSON.stringify(opening));
        return;
      }
      if (frame.op !== 0) return;
      seq = frame.s ?? 0;
      isLive = true;
      resolve(sessionId ?? frame.d.session_id);
    });
    ws.on('error', reject);
  });
}

async function dialAll(sessions: readonly (string | null)[]): Promise<string[]> {
  const found: string[] = new Array(sessions.length);
  let next = 0;
  const lane = async () => {
    while (next < sessions.length) {
      const n = next++;
      found[n] = await dial(n, sessions[n] ?? null);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, sessions.length) }, lane));
  return found;
}

obey<RawOrders>({
  connect: async ({ count }) => ({ sessions: await dialAll(new Array(count).fill(null)) }),
  resume: async ({ sessions }) => ({ sessions: await dialAll(sessions) }),
  until: ({ more }) =>
    new Promise((resolve) => {
      waiting = { count: more, tell: (at) => resolve({ at }) };
      done = 0;
      latencies = [];
    }),
  latencies: () => ({ latencies }),
});
