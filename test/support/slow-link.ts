/**
 * An address that is far away: what is sent to it comes back from it after a delay, to this machine's own listeners. A TUN
 * device, and a few lines that hand each packet back with its two addresses swapped: the kernel then takes it for one from
 * there. Another address of the same network answers nothing, ever. Needs root, /dev/net/tun and python3.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';

const PROGRAM = `
import fcntl, heapq, os, select, struct, subprocess, sys, time
name, subnet, delay = sys.argv[1], sys.argv[2], float(sys.argv[3]) / 1000
tun = os.open('/dev/net/tun', os.O_RDWR)
fcntl.ioctl(tun, 0x400454ca, struct.pack('16sH', name.encode(), 0x1001))
subprocess.check_call(['ip', 'addr', 'add', subnet + '.1/24', 'dev', name])
subprocess.check_call(['ip', 'link', 'set', name, 'up'])
far = bytes(int(part) for part in (subnet + '.2').split('.'))
print('up', flush=True)
waiting = []
while True:
    now = time.monotonic()
    readable, _, _ = select.select([tun, 0], [], [], max(0, waiting[0][0] - now) if waiting else None)
    if 0 in readable and os.read(0, 1) == b'':
        sys.exit(0)
    if tun in readable:
        packet = os.read(tun, 65535)
        if packet[0] >> 4 == 4 and packet[16:20] == far:
            heapq.heappush(waiting, (time.monotonic() + delay, packet[:12] + packet[16:20] + packet[12:16] + packet[20:]))
    while waiting and waiting[0][0] <= time.monotonic():
        os.write(tun, heapq.heappop(waiting)[1])
`;

/** Why there can be no such link here, or `null` when there can. */
export function whyNoSlowLink(): string | null {
  if (process.platform !== 'linux') return `a slow link is made of what Linux has, and this is ${process.platform}`;
  if (process.getuid?.() !== 0) return 'a slow link needs root';
  if (!existsSync('/dev/net/tun')) return 'a slow link needs /dev/net/tun';
  if (spawnSync('python3', ['-c', '']).status !== 0) return 'a slow link needs python3';
  if (spawnSync('unshare', ['--mount', 'true']).status !== 0) return 'names of its own need mount namespaces';
  return null;
}

export class SlowLink implements AsyncDisposable {
  /** Answers, late. */
  readonly far: string;
  /** Never answers. */
  readonly dead: string;
  readonly #near: string;
  readonly #link: ChildProcess;
  readonly #doors: Server[] = [];
  readonly #sockets = new Set<Socket>();

  private constructor(subnet: string, link: ChildProcess) {
    this.#near = `${subnet}.1`;
    this.far = `${subnet}.2`;
    this.dead = `${subnet}.3`;
    this.#link = link;
  }

  /** @param roundTripMs - from a packet to the answer to it */
  static async create(roundTripMs: number): Promise<SlowLink> {
    const subnet = `10.98.${randomInt(1, 255)}`;
    const name = `hfs${randomInt(1, 0xffffff).toString(16)}`;
    // Both ways of a round trip go through the device.
    const args = ['-c', PROGRAM, name, subnet, String(roundTripMs / 2)];
    const link = spawn('python3', args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const [said] = (await Promise.race([once(link.stdout, 'data'), once(link, 'exit')])) as [unknown];
    if (!Buffer.isBuffer(said)) throw new Error('the slow link did not come up');
    return new SlowLink(subnet, link);
  }

  /** Makes what listens on this port of 127.0.0.1 reachable at {@link far}. */
  async open(port: number): Promise<void> {
    const door = createServer((socket) => {
      const behind = connect(port, '127.0.0.1');
      for (const end of [socket, behind]) this.#sockets.add(end);
      socket.on('error', () => behind.destroy()).on('close', () => this.#sockets.delete(socket));
      behind.on('error', () => socket.destroy()).on('close', () => this.#sockets.delete(behind));
      socket.pipe(behind).pipe(socket);
    });
    this.#doors.push(door);
    door.listen(port, this.#near);
    await once(door, 'listening');
  }

  /**
   * Put before a command, under the same pid: there these names are the far address, and after it the dead one.
   *
   * @param dir - for a file with the names
   */
  async naming(dir: string, ...names: readonly string[]): Promise<readonly string[]> {
    const hosts = join(dir, 'hosts');
    const lines = ['127.0.0.1 localhost', ...[this.far, this.dead].map((address) => `${address} ${names.join(' ')}`)];
    await writeFile(hosts, `${lines.join('\n')}\n`);
    return ['unshare', '--mount', 'sh', '-c', `mount --bind '${hosts}' /etc/hosts && exec "$@"`, 'sh'];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    for (const door of this.#doors) door.close();
    if (this.#link.exitCode !== null) return;
    const gone = once(this.#link, 'exit');
    this.#link.stdin?.end();
    await gone;
  }
}
