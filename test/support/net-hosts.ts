/**
 * Hosts of their own on one machine: network namespaces, each with an address, on one bridge. What can happen to a link
 * can happen to theirs: the cable is pulled, packets vanish without FIN or RST, or one host no longer reaches one other.
 * Only devices made here are touched. Needs root and iproute2; {@link whyNoNetHosts} says what is missing.
 */
import { execFile, spawnSync } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ESTABLISHED = '01';

export interface NetHost {
  readonly name: string;
  readonly address: string;
  /** Put before a command it runs on this host, under the same pid. */
  readonly via: readonly string[];
  /** The cable is pulled: nothing arrives or leaves, and nobody is told. */
  unplug(): Promise<void>;
  /** Packets vanish on the way while the link looks healthy. */
  swallow(): Promise<void>;
  /** As {@link swallow}, but only between this host and the other; both still reach everyone else. */
  swallowBetween(other: NetHost): Promise<void>;
  /** Undoes all of the above. */
  heal(): Promise<void>;
}

/** Why network namespaces can't be used here, or `null` when they can. */
export function whyNoNetHosts(): string | null {
  if (process.platform !== 'linux') return `network namespaces are of Linux, and this is ${process.platform}`;
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  const name = `hfp${randomBytes(3).toString('hex')}`;
  const attempts: readonly (readonly string[])[] = [
    ['netns', 'add', name],
    ['netns', 'exec', name, 'true'],
    ['link', 'add', name, 'type', 'bridge'],
    ['link', 'add', `${name}v`, 'type', 'veth', 'peer', 'name', `${name}w`],
  ];
  try {
    for (const args of attempts) {
      const { status, error, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
      if (status !== 0) return `"ip ${args.join(' ')}" failed: ${error?.message ?? stderr.trim()}`;
    }
    return null;
  } finally {
    for (const args of [
      ['link', 'del', `${name}v`],
      ['link', 'del', name],
      ['netns', 'del', name],
    ]) {
      spawnSync('ip', args);
    }
  }
}

export class NetHosts implements AsyncDisposable {
  /** Where this process is reachable from the hosts. */
  readonly address: string;
  readonly #bridge: string;
  readonly #subnet: string;
  readonly #hosts: Host[] = [];

  private constructor(bridge: string, subnet: string) {
    this.#bridge = bridge;
    this.#subnet = subnet;
    this.address = `${subnet}.254`;
  }

  static async create(): Promise<NetHosts> {
    const hosts = new NetHosts(`hf${randomBytes(3).toString('hex')}`, await freeSubnet());
    existing.add(hosts);
    try {
      await ip('link', 'add', hosts.#bridge, 'type', 'bridge');
      await ip('addr', 'add', `${hosts.address}/24`, 'dev', hosts.#bridge);
      await ip('link', 'set', hosts.#bridge, 'up');
      return hosts;
    } catch (error) {
      hosts.remove();
      throw error;
    }
  }

  async add(name: string): Promise<NetHost> {
    const number = this.#hosts.length + 1;
    const host = new Host(name, `${this.#subnet}.${number}`, this.#bridge, `${this.#bridge}n${number}`);
    this.#hosts.push(host);
    await host.create();
    return host;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.remove();
  }

  /** Synchronous, as it also runs when the test process ends early. Safe to call twice. */
  remove(): void {
    existing.delete(this);
    for (const { device, namespace } of this.#hosts) {
      spawnSync('ip', ['link', 'del', device]);
      spawnSync('ip', ['netns', 'del', namespace]);
    }
    spawnSync('ip', ['link', 'del', this.#bridge]);
  }
}

class Host implements NetHost {
  readonly name: string;
  readonly address: string;
  readonly namespace: string;
  /** Our end of its cable. */
  readonly device: string;
  readonly via: readonly string[];
  readonly #bridge: string;
  /** Its neighbours whose hardware address was made wrong. */
  readonly #misled = new Set<Host>();

  constructor(name: string, address: string, bridge: string, device: string) {
    this.name = name;
    this.address = address;
    this.namespace = `${bridge}-${name}`;
    this.device = device;
    this.via = ['ip', 'netns', 'exec', this.namespace];
    this.#bridge = bridge;
  }

  async create(): Promise<void> {
    await ip('netns', 'add', this.namespace);
    await ip('link', 'add', this.device, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', this.namespace);
    await this.#inside('addr', 'add', `${this.address}/24`, 'dev', 'eth0');
    await this.#inside('link', 'set', 'lo', 'up');
    await this.#inside('link', 'set', 'eth0', 'up');
    await ip('link', 'set', this.device, 'master', this.#bridge, 'up');
  }

  async unplug(): Promise<void> {
    await ip('link', 'set', this.device, 'down');
  }

  async swallow(): Promise<void> {
    await ip('link', 'set', this.device, 'nomaster');
  }

  async swallowBetween(other: NetHost): Promise<void> {
    if (!(other instanceof Host)) throw new Error('only hosts of this network can be cut off from one another');
    await Promise.all([this.#mislead(other), other.#mislead(this)]);
  }

  async heal(): Promise<void> {
    for (const other of this.#misled) {
      await Promise.all([this.#leadAgain(other), other.#leadAgain(this)]);
    }
    await ip('link', 'set', this.device, 'master', this.#bridge, 'up');
  }

  /** Frames go to a hardware address that nobody has. */
  async #mislead(other: Host): Promise<void> {
    this.#misled.add(other);
    const nobody = '02:00:00:00:00:01';
    await this.#inside('neigh', 'replace', other.address, 'lladdr', nobody, 'dev', 'eth0', 'nud', 'permanent');
  }

  async #leadAgain(other: Host): Promise<void> {
    this.#misled.delete(other);
    await this.#inside('neigh', 'del', other.address, 'dev', 'eth0');
  }

  async #inside(...args: string[]): Promise<void> {
    await ip('-n', this.namespace, ...args);
  }
}

/** Open TCP connections to `port` in the network that the process sees. */
export function openSockets(pid: number, port: number): number {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return readFileSync(`/proc/${pid}/net/tcp`, 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , remote = '', state]) => remote.endsWith(wanted) && state === ESTABLISHED).length;
}

/** A /24 of 10.77 that no device of this machine has. */
async function freeSubnet(): Promise<string> {
  const { stdout } = await run('ip', ['-o', '-4', 'addr']);
  for (;;) {
    const subnet = `10.77.${randomInt(1, 255)}`;
    if (!stdout.includes(` ${subnet}.`)) return subnet;
  }
}

async function ip(...args: string[]): Promise<void> {
  await run('ip', args);
}

/** A test run that ends early leaves no namespace behind. */
const existing = new Set<NetHosts>();
process.once('exit', () => {
  for (const hosts of existing) hosts.remove();
});
