/** Many emulated QQ bots in a process of their own, and what the platform saw of them. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { TlsIdentity } from '../emulators/listener.ts';
import { waitUntil } from './wait-until.ts';

export interface CrowdSettings {
  /** Each with a session limit of its own, as on the platform: 1 per 5 s and 1000 a day. */
  readonly bots: number;
  /** @defaultValue plain HTTP */
  readonly tls?: TlsIdentity;
}

export interface CrowdReady {
  readonly apiBaseUrl: string;
  readonly tokenUrl: string;
  readonly accounts: readonly { readonly appId: string; readonly clientSecret: string }[];
}

/** Of what happened since a mark; `live` and the accounts of messages are of now and of all the time. */
export interface CrowdLook {
  /** For the next look's `since`. */
  readonly mark: number;
  /** Bots with an authenticated socket. */
  readonly live: number;
  readonly mostSocketsOfOneBot: number;
  readonly identified: number;
  readonly identifiesRefused: number;
  /** Instants, ms since the epoch. */
  readonly resumedAt: readonly number[];
  readonly resumesRefused: number;
  /** Instants of WebSocket dials, ms since the epoch. */
  readonly dialedAt: readonly number[];
  /** Sockets that were open and not authenticated yet at the same time: what a storm would be seen by. */
  readonly mostLoginsAtOnce: number;
  /** Calls of the platform's HTTP API that it refused, rate limits among them. */
  readonly callsRefused: number;
  readonly said: number;
  readonly unanswered: readonly string[];
  readonly answeredTwice: readonly string[];
  readonly saidToNobody: number;
}

export type CrowdOrder =
  | { readonly do: 'look'; readonly since: number }
  /** A message every so many ms, to one bot after the other; 0 is silence. */
  | { readonly do: 'talk'; readonly everyMs: number };

const CHILD = fileURLToPath(new URL('./qq-crowd-child.ts', import.meta.url));

export class QqCrowd implements AsyncDisposable {
  readonly platform: CrowdReady;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, platform: CrowdReady) {
    this.#child = child;
    this.platform = platform;
  }

  static async start(settings: CrowdSettings): Promise<QqCrowd> {
    const child = fork(CHILD, [JSON.stringify(settings)], { execArgv: ['--import', 'tsx'] });
    return new QqCrowd(child, (await answerOf(child)) as CrowdReady);
  }

  /** @param since - a mark of an earlier look. @defaultValue 0, from the beginning */
  async look(since = 0): Promise<CrowdLook> {
    return (await this.#ask({ do: 'look', since }, answerOf)) as CrowdLook;
  }

  async talk(everyMs: number): Promise<void> {
    await this.#ask({ do: 'talk', everyMs }, async () => undefined);
  }

  async hush(): Promise<void> {
    await this.talk(0);
  }

  /** @throws Error with the last look when it does not come to fit in time */
  async waitFor(what: string, fits: (look: CrowdLook) => boolean, timeoutMs: number, since = 0): Promise<CrowdLook> {
    let last: CrowdLook | undefined;
    await waitUntil(
      what,
      async () => {
        last = await this.look(since);
        return fits(last);
      },
      { timeoutMs, everyMs: 100, explain: () => JSON.stringify({ ...last, dialedAt: last?.dialedAt.length }) },
    );
    return last as CrowdLook;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.disconnect();
    await gone;
  }

  async #ask(order: CrowdOrder, answer: (child: ChildProcess) => Promise<unknown>): Promise<unknown> {
    const answered = answer(this.#child);
    this.#child.send(order);
    return await answered;
  }
}

/** @throws Error when the process ends instead */
async function answerOf(child: ChildProcess): Promise<unknown> {
  const ended = new AbortController();
  const onExit = (code: number | null) => ended.abort(new Error(`the emulator's process ended with ${code}`));
  child.once('exit', onExit);
  try {
    const [message] = await once(child, 'message', { signal: ended.signal });
    return message;
  } catch (error) {
    throw ended.signal.reason ?? error;
  } finally {
    child.off('exit', onExit);
  }
}
