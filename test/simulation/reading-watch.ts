/**
 * What must hold of events that kill whoever reads them, judged by what Redis carried out: each is set aside once, kills
 * nobody afterwards, and no good message is set aside unless two readers died while they had it in hand.
 */
import type { ConnectionId } from '../../src/model.ts';
import type { Said } from './platform.ts';
import type { Executed } from './redis-server.ts';
import type { Sim } from './sim.ts';
import type { Process } from './world.ts';

/** "About to read", and not yet "read". */
interface Note {
  readonly position: string;
  readonly token: string;
}

/**
 * Deaths at one event: one without progress, two with a note, and one for each few messages of a backlog before it, which
 * are progress; other trouble may spoil some.
 */
const MOST_DEATHS = 12;

export class ReadingWatch {
  readonly #sim: Sim;
  readonly #violate: (promise: string, text: string) => void;
  readonly #owners = new Map<string, string>();
  readonly #notes = new Map<string, Note>();
  /** By connection and position: readers that died between the two. */
  readonly #deaths = new Map<string, number>();
  /** By connection and message. */
  readonly #kills = new Map<string, number>();
  readonly #setAside = new Set<string>();

  constructor(sim: Sim, violate: (promise: string, text: string) => void) {
    this.#sim = sim;
    this.#violate = violate;
    sim.server.watchers.push((executed) => this.#executed(executed));
  }

  /** It lies among the dead letters. */
  isSetAside(id: ConnectionId, message: string): boolean {
    return this.#setAside.has(`${id} ${message}`);
  }

  /** A deadly event was read. */
  killed(id: ConnectionId, message: string): void {
    const name = `${id} ${message}`;
    const kills = (this.#kills.get(name) ?? 0) + 1;
    this.#kills.set(name, kills);
    if (this.#setAside.has(name)) this.#violate('P2', `${name} was set aside, and killed again`);
    if (kills === MOST_DEATHS + 1) this.#violate('P2', `${name} has killed ${kills} processes, and is not set aside`);
  }

  #executed({ name, script, keys, args, reply }: Executed): void {
    if (script === null) return;
    const id = /\{(.*?)\}/.exec(keys[0] ?? '')?.[1] ?? '';
    if (name === 'claim' && Array.isArray(reply) && reply[0] === 'granted') {
      this.#owners.set(`${id} ${reply[1]}`, args[0] ?? '');
    } else if (name === 'begin-reading' && Array.isArray(reply)) {
      if (reply[0] === 'read') this.#begun(id, { position: args[1] ?? '', token: args[0] ?? '' });
      if (reply[0] === 'poison' && reply[2] === '1') this.#poison(id, args);
    } else if (name === 'end-reading' && reply === 1) this.#notes.delete(id);
  }

  #begun(id: string, note: Note): void {
    this.#notes.set(id, note);
    this.#processOf(`${id} ${note.token}`)?.onDeath(() => {
      if (this.#notes.get(id) !== note) return;
      const at = `${id} ${note.position}`;
      this.#deaths.set(at, (this.#deaths.get(at) ?? 0) + 1);
    });
  }

  #processOf(tenure: string): Process | undefined {
    return this.#sim.members.find(({ process }) => process.name === this.#owners.get(tenure))?.process;
  }

  #poison(id: string, args: readonly string[]): void {
    this.#notes.delete(id);
    const { said: set } = JSON.parse(args[args.indexOf('text') + 1] ?? '') as { readonly said: Said };
    const message = set.id;
    const name = `${id} ${message}`;
    this.#sim.trace.note(`set aside ${name}`);
    if (this.#setAside.has(name)) this.#violate('P2', `${name} was set aside twice`);
    this.#setAside.add(name);
    const said = this.#sim.platforms.get(id as ConnectionId)?.said.find((one) => one.id === message);
    if (said === undefined) this.#violate('P2', `${name} was set aside, and nobody said it`);
    const deaths = this.#deaths.get(`${id} ${args[1]}`) ?? 0;
    if (said?.deadly === false && deaths < 2) {
      this.#violate('P2', `the good message ${name} was set aside: ${deaths} readers had died while they read it`);
    }
  }
}
