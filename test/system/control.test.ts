/** Changes without a restart: by the configuration file, by signal, by command line. Only what changed reconnects. */
import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EmulatedBot, type QqEmulator, startQq } from '../emulators/qq/index.ts';
import { type Installation, install, qqConnection, SCALED_TIMINGS } from '../support/installation.ts';
import { type ServedProcess, signalProcess } from '../support/served-process.ts';
import { waitUntil } from '../support/wait-until.ts';

/** Ids of connections, in the order of their bots. */
const IDS = ['qq-main', 'qq-second', 'qq-third', 'qq-fourth'] as const;
const FOURTH_SECRET = 'secret-of-102000004';

describe('a running `up` with two holding processes', () => {
  let qq: QqEmulator;
  let installation: Installation;
  let up: ServedProcess;
  const bots = new Map<string, EmulatedBot>();
  const connection = (id: string, extra = {}) => qqConnection(qq, id, bots.get(id), extra);
  /** What must stay as it is where nothing changed. */
  const identityOf = async (id: string) => {
    const { owner, fencingToken, since } = await installation.connection(id);
    const appId = bots.get(id)?.account.appId;
    const ofIt = (entry: { readonly appId: string | null }) => entry.appId === appId;
    // Of this bot alone: another connection may move to the other process meanwhile.
    const sockets = qq.journal.of('identify', ofIt).length + qq.journal.of('resume', ofIt).length;
    expect(sockets).toBeGreaterThan(0);
    return { owner, fencingToken, alive: since !== null, sockets };
  };

  beforeAll(async () => {
    const accounts = ['102000002', '102000003', '102000004'].map((appId) => ({
      appId,
      clientSecret: `secret-of-${appId}`,
    }));
    qq = await startQq({ heartbeatIntervalMs: 1_000, bots: accounts });
    for (const [index, id] of IDS.entries()) bots.set(id, index === 0 ? qq : qq.bot(`10200000${index + 1}`));
    installation = await install({
      connections: [connection('qq-main'), connection('qq-second')],
      timings: SCALED_TIMINGS,
      env: { HOLDFAST_SECRET_FOURTH: FOURTH_SECRET },
    });
    up = await installation.start('up', '--processes', '2').ready();
    await Promise.all(['qq-main', 'qq-second'].map((id) => installation.live(id)));
  });

  afterAll(async () => {
    await installation?.[Symbol.asyncDispose]();
    await qq?.close();
  });

  it('takes over a changed file: one is added, one changed, and what did not change keeps owner, token and socket', async () => {
    const before = await identityOf('qq-main');
    const second = await installation.connection('qq-second');
    await installation.configure({
      connections: [connection('qq-main'), connection('qq-second', { pingEveryMs: 1_100 }), connection('qq-third')],
      timings: SCALED_TIMINGS,
    });
    await installation.live('qq-third');
    await installation.waitFor(
      'to be live under a new token',
      ({ state, fencingToken }) => state === 'live' && fencingToken !== second.fencingToken,
      { id: 'qq-second' },
    );
    expect(await identityOf('qq-main')).toEqual(before);
    // Each process reads the file for itself, and the children may be done first.
    const reloads = () => up.lines.filter(({ event }) => event === 'config.reloaded');
    await waitUntil('the parent to say so', () => reloads().length > 0);
    expect(reloads()).toEqual([
      expect.objectContaining({ added: ['qq-third'], changed: ['qq-second'], removed: [], pid: up.pid }),
    ]);
    expect((await installation.connection('qq-second')).counters).toMatchObject({ resumed: 1, identified: 1 });
  });

  it('refuses a bad file as a whole, says so in log and status, and goes on', async () => {
    const before = await identityOf('qq-main');
    await appendFile(installation.configFile, '\nconections: []\n');
    const refused = async () => (await installation.status()).workers.map(({ configRefused }) => configRefused);
    await waitUntil('every process to say so', async () => {
      const all = await refused();
      return all.length === 4 && all.every((one) => one?.includes('conections: is not a known key'));
    });
    expect(up.lines.filter(({ event }) => event === 'config.refused')).toHaveLength(1);
    expect(await identityOf('qq-main')).toEqual(before);
  });

  it('reads the file when it is told to by SIGHUP, in its children, too, and lets go of what is no longer named', async () => {
    const before = await identityOf('qq-main');
    await installation.configure({
      connections: [connection('qq-main'), connection('qq-third')],
      timings: { ...SCALED_TIMINGS, drainMs: 7_000 },
    });
    signalProcess(up.pid, 'SIGHUP');
    await waitUntil('the removed one to be gone', async () => {
      const { connections } = await installation.status();
      return connections.length === 2 && bots.get('qq-second')?.view().live === false;
    });
    await waitUntil('every process to have read it', async () =>
      (await installation.status()).workers.every(
        ({ configRefused, restartNeeded }) => configRefused === null && restartNeeded.includes('timings.drainMs'),
      ),
    );
    expect(await identityOf('qq-main')).toEqual(before);
    expect((await installation.run(['status'])).stdout).toContain('restart it for what changed in: timings.drainMs');
    expect(up.exit).toBeNull();
  });

  it('tries a parked connection again when the file with its secret changes', async () => {
    const secretFile = join(installation.dir, 'second-secret');
    await writeFile(secretFile, 'not-the-secret-of-this-bot\n');
    const { clientSecret, ...rest } = connection('qq-second') as { clientSecret: string };
    await installation.configure({
      connections: [connection('qq-main'), connection('qq-third'), { ...rest, clientSecretFile: 'second-secret' }],
      timings: SCALED_TIMINGS,
    });
    await installation.waitFor('to be parked', ({ state }) => state === 'parked', {
      id: 'qq-second',
      timeoutMs: 30_000,
    });
    await writeFile(secretFile, clientSecret);
    await installation.live('qq-second');
    expect(up.output).not.toContain('not-the-secret-of-this-bot');
  });

  it('adds a connection by command line, whose secret only the workers know, and removes it', async () => {
    const before = await identityOf('qq-main');
    const { clientSecret, id, ...rest } = connection('qq-fourth') as Record<string, unknown>;
    const keys = Object.entries(rest).map(([key, value]) => `${key}=${value}`);
    const add = (secret: string) => installation.run(['connections', 'add', String(id), ...keys, secret]);
    const refused = await add(`clientSecret=${clientSecret}`);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringMatching(/clientSecret: must be a reference/)]);
    expect(refused.stderr).not.toContain(FOURTH_SECRET);
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a reference
    expect(await add('clientSecret=${HOLDFAST_SECRET_FOURTH}')).toMatchObject({ code: 0, stderr: '' });
    await installation.live('qq-fourth');
    expect(await add('clientSecretFile=x')).toMatchObject({ code: 2 });
    const removed = await installation.run(['connections', 'remove', 'qq-fourth']);
    expect(removed).toMatchObject({ code: 0, stdout: expect.stringMatching(/^qq-fourth: removed/) });
    await waitUntil('it to be gone', async () => {
      const { connections } = await installation.status();
      return !connections.some((one) => one.id === id) && bots.get('qq-fourth')?.view().live === false;
    });
    expect(await installation.run(['connections', 'remove', 'qq-main'])).toMatchObject({ code: 1 });
    expect(await identityOf('qq-main')).toMatchObject({ owner: before.owner, fencingToken: before.fencingToken });
    const { client, keys: redisKeys } = await installation.reader();
    expect(JSON.stringify(await client.get(redisKeys.connection('qq-main' as never).desired))).not.toContain(
      'secret-of',
    );
    expect(up.output).not.toContain(FOURTH_SECRET);
  });
});
