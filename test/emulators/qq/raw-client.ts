/** A client without any cleverness, for tests of the emulator itself: it says what it is told and remembers what it saw. */
import { WebSocket } from 'ws';

export interface Frame {
  readonly op: number;
  readonly s?: number;
  readonly t?: string;
  readonly id?: string;
  // biome-ignore lint/suspicious/noExplicitAny: test code reads arbitrary payloads
  readonly d?: any;
}

export class RawClient {
  readonly frames: Frame[] = [];
  /** Text frames that are no JSON, and binary ones. */
  readonly oddities: (string | Buffer)[] = [];
  closed: { readonly code: number; readonly reason: string } | null = null;
  readonly #ws: WebSocket;
  readonly #watchers = new Set<() => void>();

  constructor(url: string) {
    this.#ws = new WebSocket(url, { handshakeTimeout: 2000 });
    this.#ws.on('message', (data, isBinary) => {
      const text = String(data);
      try {
        if (isBinary) throw new TypeError('binary');
        this.frames.push(JSON.parse(text) as Frame);
      } catch {
        this.oddities.push(isBinary ? (data as Buffer) : text);
      }
      this.#look();
    });
    this.#ws.on('error', () => undefined);
    this.#ws.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString() };
      this.#look();
    });
  }

  send(frame: unknown): void {
    this.#ws.send(typeof frame === 'string' || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame));
  }

  /** Waits at most `timeoutMs` (default 3000) until the condition about this client holds. */
  until(condition: (client: this) => boolean, timeoutMs = 3000): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (!condition(this)) return;
        clearTimeout(deadline);
        this.#watchers.delete(look);
        resolve();
      };
      const deadline = setTimeout(() => {
        this.#watchers.delete(look);
        reject(new Error(`not seen: ${condition}\n${JSON.stringify([this.frames, this.closed]).slice(0, 1000)}`));
      }, timeoutMs);
      this.#watchers.add(look);
      look();
    });
  }

  async frame(op: number, t?: string): Promise<Frame> {
    const fits = (frame: Frame) => frame.op === op && (t === undefined || frame.t === t);
    await this.until(() => this.frames.some(fits));
    return this.frames.find(fits) as Frame;
  }

  /** Waits for the socket's end. */
  async end(): Promise<{ readonly code: number; readonly reason: string }> {
    await this.until(() => this.closed !== null);
    return this.closed as { code: number; reason: string };
  }

  ping(): void {
    this.#ws.ping();
  }

  onPong(listener: () => void): void {
    this.#ws.on('pong', listener);
  }

  close(code?: number): void {
    this.#ws.close(code);
  }

  terminate(): void {
    this.#ws.terminate();
  }

  #look(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }
}
