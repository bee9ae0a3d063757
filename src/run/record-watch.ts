/**
 * Notices, from what the sweeps see anyway, that the record of a configured connection is no longer what this process wrote,
 * and has it written anew. A record that bears the mark of the connection's secrets is another process's, which was configured
 * differently: it stays, and that is said. Everything else was damaged or tampered with, or comes from a host with another
 * secret; it is written anew once, so that two hosts whose secrets differ for a while do not overwrite each other for ever.
 */
import type { Logger } from 'pino';
import { type ConnectionConfig, isRecordOf } from '../config.ts';
import type { ConnectionId } from '../model.ts';
import type { DesiredConnection } from '../state/desired.ts';
import type { LiveConfig } from './live-config.ts';
import { differences } from './record-differences.ts';

/** The same foreign record is written over again after this, ms. */
const AGAIN_AFTER_MS = 600_000;
/** A record that is gone or unreadable at so many looks in a row is not being removed on purpose just now. */
const LOOKS = 2;

interface Seen {
  readonly id: ConnectionId;
  readonly desired: DesiredConnection | null;
}

export class RecordWatch {
  readonly #live: LiveConfig;
  readonly #log: Logger;
  /** What was said about each connection last; written over, or left. */
  readonly #told = new Map<ConnectionId, string>();
  /** Foreign records that were written over, and when (monotonic ms). */
  readonly #repaired = new Map<string, number>();
  readonly #unreadable = new Map<ConnectionId, number>();
  #lookedAt = 0;
  readonly #listeners = new Set<(ids: readonly ConnectionId[]) => void>();

  constructor(live: LiveConfig, log: Logger) {
    this.#live = live;
    this.#log = log;
  }

  /** @param listener - called with connections whose records are to be written anew. @returns stops calling it */
  onDamaged(listener: (ids: readonly ConnectionId[]) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** What a sweep saw. Never throws. */
  saw(seen: readonly Seen[]): void {
    if (seen.length > MANY && performance.now() - this.#lookedAt < LOOK_EVERY_MS) return;
    this.#lookedAt = performance.now();
    const own = new Map(this.#live.current.connections.map((one) => [one.id as string, one]));
    const damaged = seen.filter((one) => {
      const configured = own.get(one.id);
      return configured !== undefined && this.#isDamaged(one, configured);
    });
    if (damaged.length === 0) return;
    const ids = damaged.map(({ id }) => id);
    for (const listener of this.#listeners) listener(ids);
  }

  #isDamaged({ id, desired }: Seen, own: ConnectionConfig): boolean {
    if (desired === null) {
      const looks = (this.#unreadable.get(id) ?? 0) + 1;
      this.#unreadable.set(id, looks);
      return looks >= LOOKS && this.#mayRepair(id, 'unreadable', ['content']);
    }
    this.#unreadable.delete(id);
    const different = differences(desired, own);
    if (different.length === 0) {
      this.#told.delete(id);
      return false;
    }
    if (isRecordOf(own, desired)) {
      const message =
        'another process has configured a connection differently; this one neither holds it nor sends for it';
      this.#tell(id, 'warn', { event: 'desired-differs', different }, message);
      return false;
    }
    return this.#mayRepair(
      id,
      JSON.stringify([desired.mac, desired.platform, desired.options, desired.source]),
      different,
    );
  }

  #mayRepair(id: ConnectionId, content: string, different: readonly string[]): boolean {
    const name = `${id} ${content}`;
    const before = this.#repaired.get(name);
    const now = performance.now();
    if (before !== undefined && now - before < AGAIN_AFTER_MS) {
      const message =
        'the record of a connection is changed again and again by somebody with another secret, or with none; this process neither holds it nor sends for it';
      if (now - before > SETTLING_MS) this.#tell(id, 'error', { event: 'desired-contested', different }, message);
      return false;
    }
    this.#repaired.set(name, now);
    if (this.#repaired.size > MOST_REMEMBERED) this.#repaired.delete(this.#repaired.keys().next().value ?? '');
    this.#log.error(
      { event: 'desired-tampered', connection: id, different },
      'the record of a connection in Redis is not what its configuration says, and bears no mark of its secrets: it is written anew. Who can write to this Redis?',
    );
    return true;
  }

  #tell(
    id: ConnectionId,
    level: 'warn' | 'error',
    fields: { readonly event: string; readonly different: readonly string[] },
    message: string,
  ): void {
    if (this.#told.get(id) === fields.event) return;
    this.#told.set(id, fields.event);
    this.#log[level]({ connection: id, ...fields }, message);
  }
}

/** Thousands of records are not compared each second, ms. */
const LOOK_EVERY_MS = 3_000;
const MANY = 200;
/** Until what was written over is seen to be, ms. */
const SETTLING_MS = 5_000;
const MOST_REMEMBERED = 10_000;
