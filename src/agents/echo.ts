/** Answers every message with its own text: for demos, tests and a first look at a connection. */
import { sleep } from '../async/abort.ts';
import type { Agent, AgentReply, AgentTurn } from './agent.ts';

export interface EchoOptions {
  /** Time to think per turn: uniformly drawn from [least, most], ms. @defaultValue [0, 0] */
  readonly delayMs?: readonly [least: number, most: number];
}

export class EchoAgent implements Agent {
  readonly kind = 'echo';
  readonly maxMessagesPerTurn = 20;
  readonly historyMessages = 0;
  readonly timeoutMs: number;
  readonly #delayMs: readonly [number, number];

  constructor({ delayMs = [0, 0] }: EchoOptions = {}) {
    this.#delayMs = delayMs;
    this.timeoutMs = 30_000 + delayMs[1];
  }

  async reply(turn: AgentTurn, { signal }: { signal: AbortSignal }): Promise<readonly AgentReply[]> {
    const [least, most] = this.#delayMs;
    const delay = least + Math.random() * (most - least);
    if (delay > 0) await sleep(delay, { signal });
    return turn.messages.map((message) => ({ to: message, text: `echo: ${message.text}` }));
  }
}
