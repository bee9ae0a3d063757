/**
 * What must hold at every moment, judged from outside: by what Redis carried out, what the platform saw, and what status
 * said meanwhile. Each broken promise is one line, beginning with its number in the README.
 */
import type { ConnectionId, InboundEvent } from '../../src/model.ts';
import type { HoldingDocument } from '../../src/status/document.ts';
import { partsOf, type Said } from './platform.ts';
import { ReadingWatch } from './reading-watch.ts';
import type { Executed } from './redis-server.ts';
import type { Sim } from './sim.ts';
import { MAX_SILENCE_MS } from './sim-adapter.ts';
import type { Process } from './world.ts';

/** The right to write, as Redis granted it. */
interface Tenure {
  readonly token: number;
  /** The lease surely stands until then, true ms: counted from when Redis last granted or renewed it. */
  until: number;
  ended: boolean;
}

/** After a freeze or sleep a process needs this long to notice by timer, ms; what it sends is checked at once. */
const NOTICE_MS = 150;
/** Requests and their answers under way, ms. */
const TRANSIT_MS = 2_500;

export class Invariants {
  readonly violations: string[] = [];
  readonly reading: ReadingWatch;
  readonly #sim: Sim;
  readonly #tenures = new Map<string, Tenure[]>();
  /** Who may end a turn or a delivery, by the key of its state. */
  readonly #takers = new Map<string, string>();
  readonly #stored = new Set<string>();
  /** Per chat, the number of the message stored last. */
  readonly #lastStored = new Map<string, number>();
  readonly #turnOf = new Map<string, string>();
  /** Processes whose agent was asked and has not answered, by turn. */
  readonly #atWork = new Map<string, Set<Process>>();
  readonly #attachedAt = new Map<ConnectionId, number>();

  constructor(sim: Sim) {
    this.#sim = sim;
    this.reading = new ReadingWatch(sim, (promise, text) => this.violate(promise, text));
    sim.server.watchers.push((executed) => this.#executed(executed));
    for (const [id, platform] of sim.platforms) {
      platform.onSeen = (chat) => this.#checkChat(id, chat);
    }
  }

  violate(promise: string, text: string): void {
    const line = `${promise}: ${text} (at ${this.#sim.world.now.toFixed(0)} ms)`;
    if (this.violations.length < 20) this.violations.push(line);
    this.#sim.trace.note(`VIOLATION ${line}`);
  }

  /** A message of a connection lies in Redis or did; or, where reading it kills, among the dead letters. */
  isSafe(id: ConnectionId, { id: message, deadly }: Said): boolean {
    return deadly ? this.reading.isSetAside(id, message) : this.#stored.has(`${id} ${message}`);
  }

  /** A holder sent a frame to the platform. */
  frameSent(id: ConnectionId | string, token: number, process: Process): void {
    const tenure = this.#tenures.get(id)?.find((one) => one.token === token);
    if (tenure !== undefined && this.#sim.world.now <= tenure.until) return;
    this.violate('P3', `${process.name} sent a frame for ${id} after its lease had run out`);
  }

  /** An agent is asked, until the returned handle is disposed of. */
  asked(id: ConnectionId, turn: string, messages: readonly InboundEvent[], process: Process): Disposable {
    const others = this.#atWork.get(turn) ?? new Set();
    this.#atWork.set(turn, others);
    for (const other of others) {
      if (other.state !== 'dead') this.violate('P8', `${process.name} runs turn ${turn} beside ${other.name}`);
    }
    others.add(process);
    for (const { text } of messages) {
      const name = `${id} ${text}`;
      const before = this.#turnOf.get(name);
      if (before !== undefined && before !== turn) this.violate('P3', `the agent saw ${name} in two turns`);
      this.#turnOf.set(name, turn);
      if (!this.#stored.has(name)) this.violate('P2', `the agent saw ${name}, which is not stored`);
    }
    return { [Symbol.dispose]: () => void others.delete(process) };
  }

  // Redis

  #executed(executed: Executed): void {
    const { name, script, keys, args, reply } = executed;
    if (script === null) return;
    const kind = Array.isArray(reply) ? reply[0] : reply;
    this.#sim.trace.note(`redis ${name} ${typeof kind === 'object' ? '' : kind} ${keys[0]}`);
    const id = /\{(.*?)\}/.exec(keys[0] ?? '')?.[1] ?? '';
    switch (name) {
      case 'claim':
        if (Array.isArray(reply) && kind === 'granted') this.#granted(id, Number(reply[1]));
        return;
      case 'renew':
        return this.#renewed(executed);
      case 'end-tenure':
      case 'declare-dead':
        if (kind === 1) this.#ended(id, Number(args[0]));
        return;
      case 'ingest':
        return this.#ingested(id, executed);
      case 'begin-turn':
        if (Array.isArray(reply) && kind === 'turn') this.#takers.set(keys[0] ?? '', String(reply[1]));
        return;
      case 'begin-delivery':
        if (Array.isArray(reply) && kind === 'head') this.#takers.set(keys[1] ?? '', String(reply[1]));
        return;
      case 'commit-turn':
        return this.#settled(name, keys[0], args[0], kind === 'stale');
      case 'postpone-turn':
        return this.#settled(name, keys[0], args[0], kind === 0);
      case 'start-attempt':
        return this.#settled(name, keys[0], args[0], kind === 'fenced');
      case 'settle-part':
        return this.#settled(name, keys[1], args[0], kind === 'fenced');
      default:
    }
  }

  #granted(id: string, token: number): void {
    const all = this.#tenures.get(id) ?? [];
    this.#tenures.set(id, all);
    const last = all.at(-1);
    if (last !== undefined && token <= last.token) this.violate('P3', `token ${token} of ${id} does not grow`);
    all.push({ token, until: this.#sim.world.now + this.#sim.settings.leaseMs, ended: false });
  }

  #renewed({ keys, args, reply }: Executed): void {
    if (!Array.isArray(reply)) return;
    for (const [index, answer] of reply.entries()) {
      if (!Array.isArray(answer) || answer[0] !== 1) continue;
      const id = /\{(.*?)\}/.exec(keys[5 * index] ?? '')?.[1] ?? '';
      const tenure = this.#currentOnly(id, Number(args[1 + 3 * index]), 'a renewal');
      if (tenure !== undefined) tenure.until = this.#sim.world.now + this.#sim.settings.leaseMs;
    }
  }

  #ended(id: string, token: number): void {
    const tenure = this.#currentOnly(id, token, 'the end of a tenure');
    if (tenure !== undefined) tenure.ended = true;
  }

  /** The tenure of an accepted write: the newest one, and not ended. */
  #currentOnly(id: string, token: number, what: string): Tenure | undefined {
    const newest = this.#tenures.get(id)?.at(-1);
    if (newest?.token === token && !newest.ended) return newest;
    this.violate('P3', `${what} of ${id} was accepted under the stale token ${token}`);
    return undefined;
  }

  #ingested(id: string, { args, reply }: Executed): void {
    if (!Array.isArray(reply) || typeof reply[2] !== 'string' || reply[2] === '') return;
    this.#currentOnly(id, Number(args[0]), 'inbound');
    const letters = reply[2];
    const first = 15 + Number(args[9]);
    const skipped = Number(reply[1]) - Number(args[2]) - letters.length;
    for (const [index, letter] of [...letters].entries()) {
      if (letter !== 's') continue;
      const message = args[first + 4 * (skipped + index) + 1] ?? '';
      this.#storedMessage(id, message);
    }
  }

  #storedMessage(id: string, message: string): void {
    const name = `${id} ${message}`;
    if (this.#stored.has(name)) this.violate('P3', `${name} was stored twice`);
    this.#stored.add(name);
    const cut = message.lastIndexOf('-');
    const chat = `${id} ${message.slice(0, cut)}`;
    const number = Number(message.slice(cut + 1));
    const last = this.#lastStored.get(chat) ?? 0;
    if (number < last) this.violate('P4', `${name} was stored after number ${last}`);
    this.#lastStored.set(chat, Math.max(last, number));
  }

  #settled(what: string, key: string | undefined, token: string | undefined, refused: boolean): void {
    if (refused || this.#takers.get(key ?? '') === token) return;
    this.violate('P3', `${what} was accepted from someone who had been overtaken (${key})`);
  }

  // The platform

  /** What users of one chat have seen so far: each part once, in order. */
  #checkChat(id: ConnectionId, chat: string): void {
    const seen = this.#sim.platforms.get(id)?.seen.get(chat) ?? [];
    const [last, before] = [seen.at(-1) ?? '', seen.at(-2)];
    this.#sim.trace.note(`seen ${id} ${chat} ${last}`);
    if (seen.indexOf(last) !== seen.length - 1) this.violate('P3', `a user of ${id} saw "${last}" twice`);
    if (before !== undefined && rank(before) > rank(last)) {
      this.violate('P4', `a user of ${id} saw "${last}" after "${before}"`);
    }
  }

  /** To be called often: sockets and clocks. */
  look(): void {
    const { world } = this.#sim;
    for (const [id, platform] of this.#sim.platforms) {
      if (platform.attached !== null) this.#attachedAt.set(id, world.now);
      for (const socket of platform.sockets) {
        const { process, token } = socket.name;
        if (!socket.isHeld) {
          if (!socket.isServed) platform.sockets.delete(socket);
          continue;
        }
        if (process.state !== 'running') continue;
        const until = this.#tenures.get(id)?.find((one) => one.token === token)?.until ?? 0;
        if (world.now <= Math.max(until, process.thawedAt + NOTICE_MS)) continue;
        this.violate(
          'P3',
          `${process.name} has a socket for ${id}, ${(world.now - until).toFixed(0)} ms after its lease`,
        );
        platform.sockets.delete(socket);
      }
    }
  }

  /** Status as an operator would read it now. */
  checkStatus({ connections }: HoldingDocument): void {
    const { world, settings, server, platforms } = this.#sim;
    const staleAfterMs = 2 * settings.renewEveryMs + 500;
    for (const { id, state, reason, nextAttemptAt } of connections) {
      if (state === 'live') {
        // One that soon lost its socket may have had it between two looks.
        const attachedAt = platforms.get(id as ConnectionId)?.attachedAt ?? 0;
        const since = Math.max(this.#attachedAt.get(id as ConnectionId) ?? 0, attachedAt, server.thawedAt);
        const bound = MAX_SILENCE_MS + staleAfterMs + TRANSIT_MS;
        const without = world.now - since;
        if (without > bound)
          this.violate('P1', `status says ${id} is live, without a socket for ${without.toFixed(0)} ms`);
        continue;
      }
      if (reason === null || reason === '') this.violate('P1', `status says ${id} is ${state} and not why`);
      if (state !== 'paused' && nextAttemptAt === null) this.violate('P1', `status says ${id} is ${state} for ever`);
    }
  }

  /** At the end: nothing accepted is lost, everything is answered. */
  checkEnd(gapsOf: (id: ConnectionId) => number): void {
    for (const [id, platform] of this.#sim.platforms) {
      let excused = 0;
      for (const said of platform.said) {
        const { id: message, chat, deadly } = said;
        if (!this.isSafe(id, said)) {
          if (platform.gone.has(message)) excused += 1;
          else this.violate('P2', `${id} ${message} was never ${deadly ? 'set aside' : 'stored'}`);
          continue;
        }
        if (deadly) continue;
        const seen = platform.seen.get(chat) ?? [];
        for (const part of partsOf(message)) {
          if (!seen.includes(part)) this.violate('P2', `${id} ${message} was stored and not answered ("${part}")`);
        }
      }
      if (excused > 0 && gapsOf(id) === 0) this.violate('P2', `${id} lost ${excused} messages without a gap record`);
    }
  }
}

/** Messages of one chat by number, parts of one answer by theirs. */
function rank(text: string): number {
  const [, number, part = '0'] = /-(\d+)(?: \((\d)\))?$/.exec(text) ?? [];
  return Number(number) * 10 + Number(part);
}
