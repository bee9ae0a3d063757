/**
 * A WebSocket between a holder and the platform. What is sent arrives in order or, once the wire was cut, never: both ends
 * then only notice by silence.
 */
import type { Wire } from './network.ts';
import type { FromPlatform, ToPlatform } from './platform.ts';
import type { Process, World } from './world.ts';

export interface HolderSide {
  opened(): void;
  frame(frame: FromPlatform): void;
  /** Refused, closed by the platform, or reset. */
  closed(reason: string): void;
}

export interface PlatformSide {
  refuses(): boolean;
  opened(): void;
  frame(frame: ToPlatform): void;
  closed(): void;
}

export interface SocketName {
  readonly id: number;
  readonly process: Process;
  readonly wire: Wire;
  /** Fencing token of the tenure that dialled. */
  readonly token: number;
}

export class SimSocket {
  readonly name: SocketName;
  /** When the platform last heard from the holder, true ms. */
  heardAt: number;
  authenticated = false;
  readonly #world: World;
  readonly #holder: HolderSide;
  readonly #platform: PlatformSide;
  /** The holder has not let go of it. */
  #held = true;
  /** The platform has not let go of it. */
  #served = false;
  /** Nothing gets through any more, and nobody was told. */
  #broken = false;
  #over = false;

  constructor(world: World, name: SocketName, holder: HolderSide, platform: PlatformSide) {
    this.#world = world;
    this.name = name;
    this.#holder = holder;
    this.#platform = platform;
    this.heardAt = world.now;
    name.process.onDeath(() => this.#holderGone());
    this.#carry('there', null, () => {
      if (platform.refuses()) {
        this.#over = true;
        platform.closed();
        this.#carry('back', name.process, () => this.#held && holder.closed('connection refused'));
        return;
      }
      this.#served = true;
      this.heardAt = world.now;
      this.#carry('back', name.process, () => this.#held && holder.opened());
      platform.opened();
    });
  }

  /** The holder has it open (as far as it knows). */
  get isHeld(): boolean {
    return this.#held && this.name.process.state !== 'dead';
  }

  /** Both ends have it open and bytes get through. */
  get isOpen(): boolean {
    return this.isHeld && this.#served && !this.#broken && !this.name.wire.isCut;
  }

  get isServed(): boolean {
    return this.#served;
  }

  /** The platform has let go of it. */
  get isOver(): boolean {
    return this.#over;
  }

  /** From the holder. */
  send(frame: ToPlatform): void {
    if (!this.#held) return;
    this.#carry('there', null, () => {
      if (!this.#served) return;
      this.heardAt = this.#world.now;
      this.#platform.frame(frame);
    });
  }

  /** From the platform. */
  reply(frame: FromPlatform): void {
    if (!this.#served) return;
    this.#carry('back', this.name.process, () => this.#held && this.#holder.frame(frame));
  }

  /** By the holder: at once, without waiting for anybody. */
  close(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#carry('there', null, () => this.#end());
  }

  closeFromPlatform(reason: string): void {
    if (!this.#served) return;
    this.#end();
    this.#carry('back', this.name.process, () => {
      if (!this.#held) return;
      this.#held = false;
      this.#holder.closed(reason);
    });
  }

  /** The kernel of a dead process says goodbye for it. */
  #holderGone(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#carry('there', null, () => this.#end());
  }

  #end(): void {
    if (this.#over) return;
    this.#served = false;
    this.#over = true;
    this.#platform.closed();
  }

  #carry(way: 'there' | 'back', process: Process | null, deliver: () => void): void {
    const { wire } = this.name;
    if (wire.isCut) this.#broken = true;
    const at = wire.arrival(way);
    this.#world.at(at, process, () => {
      if (wire.isCut) this.#broken = true;
      if (!this.#broken) deliver();
    });
  }
}
