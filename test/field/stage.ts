/** What a row of the field corpus asks for: platforms, a Redis, an agent, an installation. All of it ends with the stage. */
import { expect } from 'vitest';
import { type QqEmulator, startQq } from '../emulators/qq/index.ts';
import { startTelegram, type TelegramEmulator } from '../emulators/telegram/index.ts';
import {
  type Installation,
  type InstallationOptions,
  install,
  qqConnection,
  telegramConnection,
} from '../support/installation.ts';
import { startRedis, type TestRedis, type TestRedisOptions } from '../support/redis.ts';
import type { LogLine, ServedProcess } from '../support/served-process.ts';
import { waitUntil } from '../support/wait-until.ts';
import { ScriptedAgent } from './scripted-agent.ts';

type Settings = Readonly<Record<string, unknown>>;

export interface EchoingOptions {
  /** Which platforms the bot is on. @defaultValue both */
  readonly on?: readonly ('qq' | 'telegram')[];
  /** `echo` is Holdfast's own; the others are the scripted agent, which echoes what is not scripted. @defaultValue 'echo' */
  readonly agent?: 'echo' | 'openai' | 'webhook';
  /** Added to the agent's settings. */
  readonly agentExtra?: Settings;
  /** How the QQ platform itself behaves. */
  readonly qqPlatform?: Parameters<typeof startQq>[0];
  /** Added to the settings of the connections. */
  readonly qqExtra?: Settings;
  readonly telegramExtra?: Settings;
  /** Anything else of the installation. */
  readonly rest?: Partial<InstallationOptions>;
}

/** A running installation, with everything around it. */
export interface Scene {
  readonly installation: Installation;
  readonly up: ServedProcess;
  readonly qq: QqEmulator;
  readonly telegram: TelegramEmulator;
  readonly agent: ScriptedAgent;
}

/** @public How long an answer may take on a busy machine, ms: a bound on liveness, never on speed. */
export const PATIENCE_MS = 20_000;

export class Stage implements AsyncDisposable {
  /** Ends, in the order in which they were asked for. */
  readonly #ends: (() => void | Promise<void>)[] = [];
  readonly #installations: Installation[] = [];
  /** Events of log lines that this row brings about on purpose, e.g. `web.defect`. */
  readonly #expectedDefects = new Set<string>();
  #mayDie = false;

  async qq(options: Parameters<typeof startQq>[0] = {}): Promise<QqEmulator> {
    const qq = await startQq({ heartbeatIntervalMs: 1_000, ...options });
    this.defer(() => qq.close());
    return qq;
  }

  async telegram(options: Parameters<typeof startTelegram>[0] = {}): Promise<TelegramEmulator> {
    const telegram = await startTelegram(options);
    this.defer(() => telegram.close());
    return telegram;
  }

  async redis(options: TestRedisOptions = {}): Promise<TestRedis> {
    return this.use(await startRedis(options));
  }

  async agent(): Promise<ScriptedAgent> {
    return this.use(await ScriptedAgent.start());
  }

  /** Ends with the stage, before what was asked for earlier. */
  use<T extends AsyncDisposable>(thing: T): T {
    this.defer(() => thing[Symbol.asyncDispose]() as Promise<void>);
    return thing;
  }

  /** Runs when the stage ends, before what was asked for earlier. */
  defer(end: () => void | Promise<void>): void {
    this.#ends.push(end);
  }

  async install(options: InstallationOptions): Promise<Installation> {
    const installation = this.use(await install(options));
    this.#installations.push(installation);
    return installation;
  }

  /** `up` with one bot on each platform, live. Both platforms run even where the bot is only on one of them. */
  async echoing(options: EchoingOptions = {}): Promise<Scene> {
    const { on = ['qq', 'telegram'], agent: kind = 'echo', agentExtra, qqExtra, telegramExtra, rest = {} } = options;
    const { qqPlatform } = options;
    const [qq, telegram, agent] = await Promise.all([this.qq(qqPlatform), this.telegram(), this.agent()]);
    const connections = [
      ...(on.includes('qq') ? [qqConnection(qq, 'qq-main', qq, qqExtra)] : []),
      ...(on.includes('telegram') ? [telegramConnection(telegram, { pollMs: 2_000, ...telegramExtra })] : []),
    ];
    const settings = kind === 'echo' ? { kind } : agent.settings(kind);
    const installation = await this.install({ connections, agent: { ...settings, ...agentExtra }, ...rest });
    const up = await installation.up();
    if (on.includes('qq')) await installation.live('qq-main', PATIENCE_MS);
    if (on.includes('telegram')) await installation.live('tg-main', PATIENCE_MS);
    return { installation, up, qq, telegram, agent };
  }

  /** This row makes foreground commands end otherwise than by itself asking them to. */
  processesMayDie(): void {
    this.#mayDie = true;
  }

  /** A line with this `event` is what the row is about, though it tells of a defect. */
  expectDefect(event: string): void {
    this.#expectedDefects.add(event);
  }

  /** What holds for every row, looked at before anything is stopped. */
  expectNothingOdd(): void {
    for (const { processes } of this.#installations) {
      for (const { lines, exit, name } of processes) {
        if (!this.#mayDie) expect(exit?.signal ?? null, `${name} was killed`).toBeNull();
        expect(lines.filter(({ level }) => level === 'unreadable').slice(0, 3), `${name}: not JSON`).toEqual([]);
        expect(lines.filter((line) => this.#isDefect(line)).slice(0, 3), `${name}: a defect`).toEqual([]);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const troubles: unknown[] = [];
    for (const end of this.#ends.reverse()) {
      try {
        await end();
      } catch (error) {
        troubles.push(error);
      }
    }
    if (troubles.length > 0) throw new AggregateError(troubles, 'the stage did not end in good order');
  }

  #isDefect({ event, err, code }: LogLine): boolean {
    const codeOf = (it: unknown) => (it as { code?: unknown } | undefined)?.code;
    if (event !== undefined && this.#expectedDefects.has(event)) return false;
    return event === 'web.defect' || code === 'BUG' || codeOf(err) === 'BUG';
  }
}

/** Says something to the Telegram bot in a private chat and waits for an answer. @returns its texts, one at least */
export async function askTelegram(telegram: TelegramEmulator, user: number, text: string): Promise<readonly string[]> {
  const seen = () => telegram.bot().delivered(user);
  const before = seen().length;
  telegram.bot().say(user, text);
  await waitUntil(`an answer to ${user}`, () => seen().length > before, { timeoutMs: PATIENCE_MS });
  return seen()
    .slice(before)
    .map((delivered) => delivered.text ?? '');
}

/** Says something to the QQ bot in a private chat and waits for the answer to it. @returns its texts, one at least */
export async function askQq(qq: QqEmulator, user: string, text: string): Promise<readonly string[]> {
  const { messageId } = qq.user(user).say(text);
  await qq.journal.waitUntil(() => qq.journal.repliesTo(messageId).length > 0, { timeoutMs: PATIENCE_MS });
  return qq.journal.repliesTo(messageId).map((reply) => reply.text);
}
