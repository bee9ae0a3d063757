/**
 * Workers on hosts of their own, Redis on a third, the platform beside them: what a lost link costs when nobody is told.
 * No FIN, no RST: the lease alone decides. From outside is measured when the cut worker let go of its socket (the sockets
 * of its host) and when the platform saw the session resumed.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConnectionId } from '../../src/model.ts';
import { wishHandoff } from '../../src/state/desired.ts';
import { parseLease } from '../../src/state/leases.ts';
import { poke } from '../../src/state/presence.ts';
import { type QqEmulator, startQq } from '../emulators/qq/index.ts';
import { Conversations, NOTHING_WRONG } from '../support/conversations.ts';
import { type Installation, install, LONG, qqConnection, SCALED_TIMINGS } from '../support/installation.ts';
import { type NetHost, NetHosts, openSockets, whyNoNetHosts } from '../support/net-hosts.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import type { ServedProcess } from '../support/served-process.ts';
import { waitUntil } from '../support/wait-until.ts';

const HEARTBEAT_MS = 1_000;
/** The platform keeps a socket that it hears nothing from this long (test/emulators/qq/README.md). */
const PLATFORM_KEEPS_MS = 2.5 * HEARTBEAT_MS;
/** A takeover is done within the lease and this, ms: beside other tests only that it happens; its speed is measured by `npm run chaos:hosts`. */
const AFTER_LEASE_MS = LONG ? 1_500 : 8_000;

interface Member {
  readonly host: NetHost;
  readonly process: ServedProcess;
}

const missing = whyNoNetHosts();
if (missing !== null) console.warn(`hosts.test.ts is skipped: ${missing}`);

describe.skipIf(missing !== null)('workers on two hosts, Redis and scheduler on a third', () => {
  let hosts: NetHosts;
  let store: NetHost;
  let redis: TestRedis;
  let qq: QqEmulator;
  let installation: Installation;
  let members: Member[];

  beforeAll(async () => {
    hosts = await NetHosts.create();
    const [a, b] = [await hosts.add('a'), await hosts.add('b')];
    store = await hosts.add('c');
    qq = await startQq({ heartbeatIntervalMs: HEARTBEAT_MS, host: hosts.address });
    redis = await startRedis({ host: store });
    installation = await install({
      connections: [qqConnection(qq)],
      timings: LONG ? {} : { ...SCALED_TIMINGS, leaseMs: 2_000 },
      redis: { url: redis.url, prefix: 'hosts' },
    });
    const scheduler = installation.startVia(store.via, 'scheduler').ready();
    [members] = await Promise.all([Promise.all([a, b].map(join)), scheduler]);
    await installation.live();
  });

  afterAll(async () => {
    await Promise.allSettled((members ?? []).map(({ host }) => host.heal()));
    await installation?.[Symbol.asyncDispose]();
    await qq?.close();
    await redis?.[Symbol.asyncDispose]();
    await hosts?.[Symbol.asyncDispose]();
  });

  async function join(host: NetHost): Promise<Member> {
    const process = installation.startVia(host.via, 'worker', '--roles', 'connections,agent,delivery');
    return { host, process: await process.ready() };
  }

  async function holder(): Promise<{ owner: Member; other: Member }> {
    const connection = await installation.live();
    const [owner] = members.filter(({ process }) => connection.owner?.endsWith(`/${process.pid}`));
    const [other] = members.filter((member) => member !== owner);
    if (owner === undefined || other === undefined) throw new Error(`none of our workers is ${connection.owner}`);
    return { owner, other };
  }

  /** What `holdfast connections handoff --to` writes. */
  async function handOverTo(target: string): Promise<void> {
    const { client, keys } = await installation.reader();
    const id = 'qq-main' as ConnectionId;
    await wishHandoff(client, keys, id, { target, avoid: null });
    const lease = parseLease(await client.hgetall(keys.connection(id).lease));
    await poke(client, keys, `${lease.owner}#${lease.incarnation ?? ''}`);
  }

  const sockets = ({ process }: Member) => openSockets(process.pid, Number(new URL(qq.gatewayUrl).port));
  const lastResumed = () => qq.journal.of('resumed').at(-1)?.at ?? 0;

  const faults: readonly { what: string; cut(owner: NetHost): Promise<void> }[] = [
    { what: 'the cable of the owner is pulled', cut: (owner) => owner.unplug() },
    { what: 'packets of the owner vanish, its link looks healthy', cut: (owner) => owner.swallow() },
    { what: 'only Redis is out of the reach of the owner', cut: (owner) => owner.swallowBetween(store) },
  ];
  it.each(faults)(
    '$what: it lets go first, the other Resumes in time, and healed it only serves (F22, F28, F37)',
    async ({ cut }) => {
      const { leaseMs } = installation.config.timings;
      const { owner, other } = await holder();
      const before = await installation.connection();
      const resumes = qq.journal.count('resumed');
      const overlapBefore = qq.overlap().overlapMs;
      const people = new Conversations(qq, qq.journal, { name: `LINK-${resumes}`, everyMs: 50 }).start();
      await delay(1_000);
      expect(sockets(owner)).toBe(1);

      await cut(owner.host);
      const cutAt = Date.now();
      await waitUntil('the cut worker to let go', () => sockets(owner) === 0, { timeoutMs: leaseMs + AFTER_LEASE_MS });
      const letGoAt = Date.now();
      await waitUntil('the other to resume', () => qq.journal.count('resumed') > resumes, {
        timeoutMs: leaseMs + AFTER_LEASE_MS,
        explain: () => installation.tails(),
      });
      expect(lastResumed()).toBeGreaterThan(letGoAt);
      expect(lastResumed() - cutAt).toBeLessThanOrEqual(leaseMs + AFTER_LEASE_MS);
      const ended = await owner.process.waitForLine(
        ({ event, fencingToken }) => event === 'tenure-ended' && fencingToken === before.fencingToken,
      );
      expect(ended).toMatchObject({ end: 'fenced', reason: expect.stringContaining('lease not renewed') });
      const taken = await installation.waitFor('to be live elsewhere', ({ state, owner: name }) => {
        return state === 'live' && name !== before.owner;
      });
      expect(taken.fencingToken).toBeGreaterThan(Number(before.fencingToken));
      expect(qq.overlap().overlapMs - overlapBefore).toBeLessThanOrEqual(PLATFORM_KEEPS_MS);

      await owner.host.heal();
      await waitUntil('the healed worker to be in touch', async () => {
        const { workers } = await installation.status();
        return workers.some(({ id }) => id === before.owner);
      });
      await delay(leaseMs);
      // It held on to nothing: same tenure as before, no socket, no second session.
      expect(await installation.live()).toMatchObject({ fencingToken: taken.fencingToken, owner: taken.owner });
      expect(sockets(owner)).toBe(0);
      expect(qq.journal.count('resumed')).toBe(resumes + 1);

      // And it serves, once it is its turn again.
      await handOverTo(String(before.owner));
      await installation.waitFor('to be back', ({ state, owner: name }) => state === 'live' && name === before.owner);
      const account = await people.account(30_000);
      expect(account).toEqual({ sent: account.sent, ...NOTHING_WRONG });
      expect(qq.journal.of('identify')).toHaveLength(1);
      expect(sockets(other)).toBe(0);
    },
  );
});
