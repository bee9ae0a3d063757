/** Orders between the bench and its child processes, typed on both sides, each answered once. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

/** By name: what is asked, and what is answered. */
export type Orders<O> = { readonly [K in keyof O]: { readonly ask: object; readonly answer: object } };

interface Order {
  readonly id: number;
  readonly name: string;
  readonly ask: object;
}

type Answer = { readonly id: number; readonly answer: object } | { readonly id: number; readonly error: string };

/** In the child: carries out orders, and leaves when the bench is gone. */
export function obey<O extends Orders<O>>(
  does: {
    readonly [K in keyof O]: (ask: O[K]['ask']) => Promise<O[K]['answer']> | O[K]['answer'];
  },
): void {
  process.on('message', (order: Order) => {
    const run = async () => await does[order.name as keyof O](order.ask);
    run().then(
      (answer) => process.send?.({ id: order.id, answer } satisfies Answer),
      (error: unknown) => process.send?.({ id: order.id, error: String(error) } satisfies Answer),
    );
  });
  process.once('disconnect', () => process.exit());
}

/** In the bench: a child process that obeys orders. */
export class Child<O extends Orders<O>> implements AsyncDisposable {
  readonly pid: number;
  /** ms since the epoch */
  readonly startedAt: number;
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, { resolve: (answer: object) => void; reject: (error: Error) => void }>();
  #orders = 0;
  #stderr = '';

  constructor(script: string, settings: object, env: NodeJS.ProcessEnv = {}, nodeArgs: readonly string[] = []) {
    this.startedAt = performance.timeOrigin + performance.now();
    this.#process = fork(script, [JSON.stringify(settings)], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...process.env, ...env },
      execArgv: [...nodeArgs],
    });
    this.pid = this.#process.pid ?? 0;
    this.#process.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      this.#stderr = (this.#stderr + chunk).slice(-4_000);
    });
    this.#process.on('message', (answer: Answer) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if ('error' in answer) waiting?.reject(new Error(answer.error));
      else waiting?.resolve(answer.answer);
    });
    this.#process.once('exit', (code, signal) => {
      const error = new Error(`${script} ended (${signal ?? code})\n${this.#stderr}`);
      for (const { reject } of this.#waiting.values()) reject(error);
    });
  }

  ask<K extends keyof O & string>(name: K, ask: O[K]['ask']): Promise<O[K]['answer']> {
    const id = ++this.#orders;
    return new Promise<O[K]['answer']>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (answer: object) => void, reject });
      this.#process.send({ id, name, ask } satisfies Order, (error) => {
        if (error !== null) reject(error);
      });
    });
  }

  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exited;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}
