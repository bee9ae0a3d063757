/** A Redis master with a replica, and three real Sentinels that watch over them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort, startRedis, type TestRedis, tlsSettings } from './redis.ts';
import type { TestCa } from './test-ca.ts';
import { waitUntil } from './wait-until.ts';

/** The master counts as down after this, ms; another is chosen within a second or two. */
const DOWN_AFTER_MS = 1_000;
const SENTINELS = 3;

export interface RedisWithSentinels extends AsyncDisposable {
  /** The master at the start, and the replica that can take its place. */
  readonly master: TestRedis;
  readonly replica: TestRedis;
  /** The group `redis` of holdfast.yaml. */
  readonly settings: { readonly url: string; readonly sentinels: readonly { host: string; port: number }[] };
}

/** @param tls - all of them speak TLS alone, to each other as well */
export async function startSentinels({ tls }: { readonly tls?: TestCa } = {}): Promise<RedisWithSentinels> {
  const encryption = tls === undefined ? {} : { tls };
  const ends: (() => unknown)[] = [];
  const close = async () => {
    for (const end of ends.splice(0).reverse()) await end();
  };
  try {
    const master = await startRedis(encryption);
    ends.push(() => master[Symbol.asyncDispose]());
    const replica = await startRedis({ ...encryption, args: ['--replicaof', '127.0.0.1', String(master.port)] });
    ends.push(() => replica[Symbol.asyncDispose]());
    const dir = await mkdtemp(join(tmpdir(), 'hf-sentinel-'));
    ends.push(() => rm(dir, { recursive: true, force: true }));
    const sentinels: { host: string; port: number; client: Redis }[] = [];
    for (let n = 0; n < SENTINELS; n += 1) {
      const port = await freePort();
      const child = await startSentinel(join(dir, `sentinel-${n}.conf`), port, master.port, tls);
      ends.push(() => end(child));
      const client = ask(port, tls);
      ends.push(() => client.disconnect());
      sentinels.push({ host: '127.0.0.1', port, client });
    }
    await waitUntilAcquainted(
      sentinels.map(({ client }) => client),
      replica,
    );
    return {
      master,
      replica,
      settings: {
        url: `${tls === undefined ? 'redis' : 'rediss'}://mymaster/0`,
        sentinels: sentinels.map(({ host, port }) => ({ host, port })),
      },
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Before the Sentinels know each other and the replica, no failover can succeed. */
async function waitUntilAcquainted(clients: readonly Redis[], replica: TestRedis): Promise<void> {
  await waitUntil('the Sentinels to know each other and the replica', async () => {
    const views = await Promise.all(clients.map(readView));
    return views.every(
      (view) => view.get('num-other-sentinels') === String(SENTINELS - 1) && view.get('num-slaves') === '1',
    );
  });
  const client = replica.client();
  await waitUntil('the replica to be in touch', async () => {
    return (await client.info('replication')).includes('master_link_status:up');
  });
}

async function startSentinel(
  file: string,
  port: number,
  masterPort: number,
  tls: TestCa | undefined,
): Promise<ChildProcess> {
  const lines = [
    ...(tls === undefined ? [`port ${port}`] : tlsSettings(tls, port).map((setting) => setting.join(' '))),
    'bind 127.0.0.1',
    `sentinel monitor mymaster 127.0.0.1 ${masterPort} 2`,
    `sentinel down-after-milliseconds mymaster ${DOWN_AFTER_MS}`,
    'sentinel failover-timeout mymaster 10000',
  ];
  await writeFile(file, `${lines.join('\n')}\n`);
  const child = spawn('redis-server', [file, '--sentinel'], { stdio: 'ignore' });
  await once(child, 'spawn');
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

function ask(port: number, tls: TestCa | undefined): Redis {
  const ca = tls === undefined ? undefined : readFileSync(tls.caFile, 'utf8');
  const client = new Redis({ host: '127.0.0.1', port, ...(ca === undefined ? {} : { tls: { ca } }) });
  client.on('error', () => {});
  return client;
}

async function readView(client: Redis): Promise<Map<string, string>> {
  const flat = (await client.call('SENTINEL', 'MASTER', 'mymaster')) as string[];
  return new Map(flat.flatMap((name, index) => (index % 2 === 0 ? [[name, flat[index + 1] ?? '']] : [])));
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

/** A test run that ends early leaves no Sentinel behind. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
