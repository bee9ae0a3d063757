/**
 * Tells people what happens: one line when something begins, one with its outcome; on a terminal also a line in between
 * that moves.
 */
import { WriteStream } from 'node:tty';

const FRAMES = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏';
const FRAME_MS = 120;
const CLEAR_LINE = '\r\u001b[2K';

export class Narrator implements Disposable {
  readonly #out: NodeJS.WritableStream;
  /** `undefined`: no terminal. */
  readonly #terminal: WriteStream | undefined;
  #spinner: NodeJS.Timeout | undefined;

  /** @param out - moving lines appear only when it is a terminal */
  constructor(out: NodeJS.WritableStream) {
    this.#out = out;
    this.#terminal = out instanceof WriteStream ? out : undefined;
  }

  /** A line that stays. */
  say(line: string): void {
    this.#stopSpinning();
    this.#out.write(`${line}\n`);
  }

  /** Shows what `look` says, with the seconds gone by, until the next line that stays. Nothing without a terminal. */
  spin(look: () => string): void {
    this.#stopSpinning();
    const terminal = this.#terminal;
    if (terminal === undefined) return;
    const startedAt = performance.now();
    let frame = 0;
    this.#spinner = setInterval(() => {
      const seconds = ((performance.now() - startedAt) / 1_000).toFixed(0);
      const line = `  ${FRAMES[frame++ % FRAMES.length]} ${seconds} s · ${look()}`;
      // A line that wraps could not be taken back.
      terminal.write(`${CLEAR_LINE}${line.slice(0, (terminal.columns || 80) - 1)}`);
    }, FRAME_MS);
  }

  [Symbol.dispose](): void {
    this.#stopSpinning();
  }

  #stopSpinning(): void {
    if (this.#spinner === undefined) return;
    clearInterval(this.#spinner);
    this.#spinner = undefined;
    this.#out.write(CLEAR_LINE);
  }
}

/** `0.42 s`, `12.3 s` */
export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}
