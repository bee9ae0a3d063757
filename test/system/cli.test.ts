/** The command line as scripts and people use it: exit codes, documents, and words instead of stacks. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StatusDocument } from '../../src/status/document.ts';
import { type QqEmulator, startQq } from '../emulators/qq/index.ts';
import {
  type CommandResult,
  type Installation,
  install,
  qqConnection,
  SCALED_TIMINGS,
} from '../support/installation.ts';
import { startRedis } from '../support/redis.ts';
import type { ServedProcess } from '../support/served-process.ts';
import { waitUntil } from '../support/wait-until.ts';

/** `status` answers within 4 s; the rest is for starting Node on a busy machine, ms. */
const ANSWER_MS = 4_000 + 3_000;

const OK = { state: 'ok', reason: null, advice: null, since: null, until: null } as const;

/** Every key of the document, which is a stable interface. */
const DOCUMENT: StatusDocument = {
  at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
  scheduler: { lastSweepAgeMs: expect.any(Number), worker: expect.stringMatching(/\/\d+$/) },
  workers: expect.arrayContaining([
    {
      id: expect.stringMatching(/\/\d+$/),
      roles: ['connections'],
      connections: 1,
      capacity: 500,
      eventLoopLagMs: expect.any(Number),
      configRefused: null,
      notSharing: null,
      restartNeeded: [],
    },
  ]),
  connections: [
    {
      id: 'qq-main',
      platform: 'qq',
      state: 'live',
      since: expect.stringMatching(/Z$/),
      reason: null,
      owner: expect.stringMatching(/\/\d+$/),
      fencingToken: expect.any(Number),
      lastRoundTripAgeMs: expect.any(Number),
      lastEventAgeMs: null,
      nextAttemptAt: null,
      attempt: 0,
      route: 'direct',
      remark: null,
      platformAheadMs: expect.any(Number),
      counters: {
        events: 0,
        duplicates: 0,
        resumed: 0,
        identified: 1,
        gaps: 0,
        takeovers: 0,
        malformed: 0,
        staleWrites: 0,
      },
      chain: { state: 'ok', link: null, reason: null, advice: null, since: null, until: null },
    },
  ],
  agents: [
    {
      name: 'main',
      kind: 'echo',
      workers: 1,
      running: 0,
      places: 100,
      waiting: 0,
      oldestSignAgeMs: null,
      lastAnswerAgeMs: null,
      failing: null,
      connected: null,
    },
  ],
  chain: { state: 'ok', links: { received: OK, stored: OK, turn: OK, answer: OK, sent: OK }, troubles: [], more: 0 },
};

function expectWords({ stderr, stdout }: CommandResult, ...lines: (string | RegExp)[]): void {
  expect(stdout).toBe('');
  expect(stderr).not.toMatch(/^\s+at /m);
  const said = stderr.trimEnd().split('\n');
  expect(said).toHaveLength(lines.length);
  for (const line of lines) expect(stderr).toMatch(line);
}

describe('the command line beside a running `up`', () => {
  let qq: QqEmulator;
  let installation: Installation;
  let up: ServedProcess;

  beforeAll(async () => {
    qq = await startQq({ heartbeatIntervalMs: 1_000 });
    installation = await install({ connections: [qqConnection(qq)], timings: SCALED_TIMINGS });
    up = await installation.up();
    await installation.live();
  });

  afterAll(async () => {
    await installation?.[Symbol.asyncDispose]();
    await qq?.close();
  });

  it('prints the status document and nothing else with --json, every key present, exit code 0 when all is live', async () => {
    // Each process reports by itself, and the clock is compared with the first answer that bears a date.
    await waitUntil('every process to have reported', async () => {
      const { agents, chain, connections } = await installation.status();
      const compared = connections.every(({ platformAheadMs }) => platformAheadMs !== null);
      return compared && agents[0]?.workers === 1 && chain.state === 'ok';
    });
    const { code, stdout, stderr } = await installation.run(['status', '--json']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
    expect(JSON.parse(stdout)).toEqual(DOCUMENT);
  });

  it('prints a table for people', async () => {
    const { code, stdout } = await installation.run(['status']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/qq-main \(qq\) +│ live/);
    expect(stdout).toMatch(/Last sweep .* ago by/);
  });

  it('looks after everything without disturbing what runs, and finds nothing wrong', async () => {
    const sessions = () => [qq.journal.count('identify'), qq.journal.count('resume')];
    const before = sessions();
    const { code, stdout, stderr } = await installation.run(['doctor', '--json']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const report = JSON.parse(stdout);
    expect(Object.keys(report)).toEqual(['at', 'ok', 'counts', 'findings']);
    const found = new Map<string, string>();
    for (const { check, status } of report.findings) found.set(check, status);
    for (const check of [
      'config',
      'redis',
      'redis.durability',
      'scheduler',
      'worker',
      'connection',
      'clock',
      'route',
    ]) {
      expect([check, found.get(check)]).toEqual([check, 'ok']);
    }
    expect(found.get('platform.token')).toBe('ok');
    expect(sessions()).toEqual(before);
    expect(stdout).not.toContain(qq.clientSecret);
  });

  it('logs JSON lines only, and names itself ready once', () => {
    expect(up.lines.filter(({ level }) => level === 'unreadable')).toEqual([]);
    expect(up.lines.filter(({ event }) => event === 'ready')).toHaveLength(1);
  });

  it('finds the installation from any directory, by its configuration file', async () => {
    const elsewhere = await mkdtemp(join(tmpdir(), 'hf-elsewhere-'));
    try {
      const { code, stdout } = await installation.run(['--config', installation.configFile, 'status', '--json'], {
        cwd: elsewhere,
      });
      expect(code).toBe(0);
      expect(JSON.parse(stdout).connections[0]).toMatchObject({ id: 'qq-main', state: 'live' });
    } finally {
      await rm(elsewhere, { recursive: true });
    }
  });

  it('lists and shows connections', async () => {
    const [list, show, json] = await Promise.all([
      installation.run(['connections', 'list']),
      installation.run(['connections', 'show', 'qq-main']),
      installation.run(['connections', 'show', 'qq-main', '--json']),
    ]);
    expect(list).toMatchObject({ code: 0, stdout: expect.stringContaining('qq-main') });
    expect(show.code).toBe(0);
    expect(show.stdout).toMatch(/fencing token +│ \d{13}/);
    expect(show.stdout).toMatch(/History/);
    expect(JSON.parse(json.stdout)).toMatchObject({ id: 'qq-main', state: 'live', history: expect.any(Array) });
  });

  it('says so when a command about one connection names nobody', async () => {
    const verbs = ['show', 'pause', 'resume', 'restart'];
    const results = await Promise.all(verbs.map((verb) => installation.run(['connections', verb, 'qq-other'])));
    for (const result of results) {
      expect(result.code).toBe(1);
      expectWords(result, /there is no connection "qq-other"/);
    }
  });

  it('pauses until resumed: the session stays, status counts it as well (F29, F31)', async () => {
    expect((await installation.run(['connections', 'pause', 'qq-main'])).code).toBe(0);
    await installation.waitFor('to be paused', ({ state }) => state === 'paused');
    await waitUntil('the socket to be gone', () => qq.liveSockets() === 0);
    const said = qq.user('PAUSED').say('are you there?');
    expect((await installation.run(['status'])).code).toBe(0);
    expect(await installation.connection()).toMatchObject({
      state: 'paused',
      reason: expect.stringMatching(/operator/),
    });

    expect((await installation.run(['connections', 'resume', 'qq-main'])).code).toBe(0);
    await installation.live();
    await qq.journal.waitUntil(() => qq.journal.repliesTo(said.messageId).length === 1);
    expect(qq.journal.of('identify')).toHaveLength(1);
  });

  it('restarts on request, under a new lease and the old session (F31)', async () => {
    const before = await installation.connection();
    expect((await installation.run(['connections', 'restart', 'qq-main'])).code).toBe(0);
    await installation.waitFor(
      'to be live under a new lease',
      ({ state, fencingToken }) => state === 'live' && Number(fencingToken) > Number(before.fencingToken),
    );
    expect(qq.journal.of('identify')).toHaveLength(1);
  });

  it('exits with 1 while something is not live, and the table says why', async () => {
    await qq.faults.refuseDials();
    qq.faults.dropSockets({ how: 'rst' });
    await installation.waitFor('to be waiting', ({ state, attempt }) => state === 'waiting' && attempt > 1);
    const status = await installation.run(['status', '--json']);
    expect(status.code).toBe(1);
    expect(JSON.parse(status.stdout).connections[0].reason).toMatch(/refused/);
    await qq.faults.acceptDials();
    await installation.live();
  });

  it('prints usage on stderr and exits with 2 for arguments that make no sense', async () => {
    for (const args of [
      ['sttaus'],
      ['up', '--capacity', 'many'],
      ['worker', '--roles', 'web'],
      ['connections', 'show'],
    ]) {
      const { code, stdout, stderr } = await installation.run(args);
      expect({ args, code, stdout }).toEqual({ args, code: 2, stdout: '' });
      expect(stderr).toMatch(/error: /);
      expect(stderr).not.toMatch(/^\s+at /m);
    }
  });
});

describe('without a Redis to ask', () => {
  it('exits with 2 and one line when nothing runs here', async () => {
    await using installation = await install({ connections: [], timings: SCALED_TIMINGS });
    const status = await installation.run(['status', '--json']);
    expect(status.code).toBe(2);
    expectWords(status, /no embedded Redis is running .*: is holdfast up\?/);
  });

  it.each([
    ['is gone', (redis: Awaited<ReturnType<typeof startRedis>>) => redis.kill()],
    ['accepts and never answers', async (redis: Awaited<ReturnType<typeof startRedis>>) => redis.freeze()],
  ])('exits with 2 within 4 s when the Redis of redis.url %s', async (_, breakIt) => {
    await using redis = await startRedis();
    await using installation = await install({
      connections: [],
      timings: SCALED_TIMINGS,
      redis: { url: redis.url },
    });
    expect((await installation.run(['status'])).code).toBe(0);
    await breakIt(redis);
    const status = await installation.run(['status', '--json']);
    expect(status.code).toBe(2);
    expect(status.tookMs).toBeLessThan(ANSWER_MS);
    expectWords(status, /Redis/);
  });
});

describe('a configuration that cannot work', () => {
  const good = { id: 'qq-main', platform: 'qq', appId: '102000001', clientSecret: 'a-secret-of-no-use' };

  async function start(yaml: string, env: Record<string, string> = {}): Promise<CommandResult> {
    await using installation = await install({ connections: [] });
    await writeFile(installation.configFile, yaml);
    return await installation.run(['up'], { env });
  }

  it('names every problem on a line of its own, with key and fix, exits with 2, and shows no value', async () => {
    const result = await start(`
timings: { leaseMs: 6s }
redis: { uri: redis://localhost }
connections:
  - { id: qq-main, platform: qq, appId: "1", clientSecret: "\${QQ_SECRET_NOBODY_SET}" }
  - { id: qq-main, platform: qq, appId: 102000001, clientSecret: planted-secret-value }
`);
    expect(result.code).toBe(2);
    expectWords(
      result,
      /timings\.leaseMs: must be a whole number of milliseconds/,
      /redis\.uri: is not a known key; did you mean "url"\?/,
      /connections\[0\].*clientSecret: .*QQ_SECRET_NOBODY_SET.*set/,
      /connections\[1\].*appId: must be text.*quotes/,
    );
    expect(result.stderr).not.toContain('planted-secret-value');
  });

  it.concurrent.each([
    [
      'two connections with one id',
      { connections: [good, good] },
      /connections\[1\].*"qq-main" is already the id of connections\[0\]; give one of them another id/,
    ],
    [
      'timings that contradict each other',
      { timings: { leaseMs: 3_000, renewEveryMs: 2_000 }, connections: [good] },
      /timings\.leaseMs: is 3000, and must be more than 3 × renewEveryMs \(2000\).*raise leaseMs or lower renewEveryMs/,
    ],
    [
      'a secret that is missing',
      { connections: [{ ...good, clientSecret: undefined }] },
      /clientSecret: is missing; add/,
    ],
  ])('refuses %s in one line', async (_, document, line) => {
    const result = await start(JSON.stringify(document));
    expect(result.code).toBe(2);
    expectWords(result, line);
  });

  it('says what to create when there is no configuration at all', async () => {
    await using installation = await install({ connections: [] });
    const empty = join(installation.dir, 'empty');
    await mkdir(empty);
    const result = await installation.run(['up'], { cwd: empty });
    expect(result.code).toBe(2);
    expectWords(result, /no configuration: create holdfast\.yaml/);
  });
});
