/**
 * Every command of the README, run as it stands there, in a copy of this tree: a newcomer's first hour must not fail. What
 * it cannot do here is named at the command. The platforms of its configuration are the emulated ones.
 */
import { execFileSync } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { type QqEmulator, startQq } from '../emulators/qq/index.ts';
import { startTelegram, type TelegramEmulator } from '../emulators/telegram/index.ts';
import { waitUntil } from '../support/wait-until.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** A build on two busy cores, ms. */
const BUILT_WITHIN_MS = 120_000;

/** Lines of `sh` blocks without their remarks, and the cells of the table whose head is the built command. */
function commandsOf(readme: string): string[] {
  const blocks = [...readme.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block = '']) => block.trim().split('\n'));
  const lines = blocks.map((line) => line.replace(/\s+#.*$/, '').trim());
  const [, table = ''] = /^\| `node dist\/cli\.js …`.*\n\|[-|]+\n((?:\|.*\n)+)/m.exec(readme) ?? [];
  const cells = table.split('\n').map((row) => row.split('|')[1] ?? '');
  return [...lines, ...cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, text = '']) => `cli ${text}`))];
}

let secrets: { readonly QQ_CLIENT_SECRET: string; readonly TELEGRAM_BOT_TOKEN: string };
let place: string;
let readme: string;
let qq: QqEmulator;
let telegram: TelegramEmulator;

beforeAll(async () => {
  readme = await readFile(join(ROOT, 'README.md'), 'utf8');
  place = await mkdtemp(join(tmpdir(), 'hf-readme-'));
  const tracked = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT });
  const wanted = new Set(
    tracked
      .toString()
      .split('\0')
      .filter((path) => path !== '' && !path.startsWith('test/unit')),
  );
  await cp(ROOT, place, {
    recursive: true,
    filter: (from) => {
      const path = from.slice(ROOT.length);
      return path === '' || wanted.has(path) || [...wanted].some((each) => each.startsWith(`${path}/`));
    },
  });
  // `npm ci` of both commands is what CI begins with, in its clean clone; here its result is at hand.
  await symlink(join(ROOT, 'node_modules'), join(place, 'node_modules'));
  [qq, telegram] = await Promise.all([startQq(), startTelegram()]);
  secrets = { QQ_CLIENT_SECRET: qq.account.clientSecret, TELEGRAM_BOT_TOKEN: telegram.token };
}, 60_000);

afterAll(async () => {
  // Only a test that failed leaves something.
  for (const one of running) interrupt(one);
  await Promise.all(running);
  await Promise.all([qq?.close(), telegram?.close()]);
  await rm(place, { recursive: true, force: true });
});

const running = new Set<Shell>();

/** A command in a shell and a process group of its own, as one types it into a terminal. */
function shell(command: string, env: Readonly<Record<string, string>> = {}) {
  const started = execa(command, {
    cwd: place,
    shell: true,
    detached: true,
    // As few as a newcomer has.
    env: { PATH: process.env.PATH, HOME: place, TMPDIR: place, ...env },
    extendEnv: false,
    reject: false,
    all: true,
    timeout: 150_000,
    forceKillAfterDelay: false,
  });
  running.add(started);
  void started.finally(() => running.delete(started));
  return started;
}

type Shell = ReturnType<typeof shell>;

async function says(running: Shell, text: string): Promise<void> {
  let said = '';
  running.all.on('data', (chunk) => {
    said += chunk;
  });
  const ended = () => running.exitCode !== null && running.exitCode !== undefined;
  await waitUntil(`"${text}"`, () => said.includes(text) || ended(), {
    timeoutMs: BUILT_WITHIN_MS,
    explain: () => said,
  });
  if (!said.includes(text)) throw new Error(`it ended without "${text}":\n${said.slice(-4_000)}`);
}

/** What Ctrl-C in the terminal does. */
function interrupt({ pid }: Shell): void {
  if (pid !== undefined) process.kill(-pid, 'SIGINT');
}

/** The README's configuration, with the platforms where the emulators are. */
async function writeReadmeConfig(): Promise<void> {
  const [, yaml = ''] = /```yaml\n(# holdfast\.yaml\n[\s\S]*?)```/.exec(readme) ?? [];
  const document = parse(yaml) as { connections: { platform: string }[] };
  expect(document.connections.map(({ platform }) => platform)).toEqual(['qq', 'telegram']);
  const addressed = document.connections.map((connection) =>
    connection.platform === 'qq'
      ? { ...connection, appId: qq.account.appId, apiBaseUrl: qq.apiBaseUrl, tokenUrl: qq.tokenUrl }
      : { ...connection, apiBaseUrl: telegram.url },
  );
  await writeFile(join(place, 'holdfast.yaml'), stringify({ ...document, http: { port: 0 }, connections: addressed }));
}

interface Said {
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

async function cli(text: string, env: Readonly<Record<string, string>> = secrets): Promise<Said> {
  const { exitCode, stdout, stderr } = await shell(`node dist/cli.js ${text}`, env);
  return { code: exitCode, stdout, stderr };
}

/** A foreground command beside `up`: ready, and gone with 0 when told. */
async function serves(command: string): Promise<void> {
  const started = shell(`exec node dist/cli.js ${command}`, secrets);
  await says(started, '"event":"ready"');
  interrupt(started);
  expect(await started).toMatchObject({ exitCode: 0 });
}

async function works(text: string, said: RegExp): Promise<void> {
  expect(await cli(text)).toMatchObject({ code: 0, stdout: expect.stringMatching(said), stderr: '' });
}

let letter = '';

/** What the table of commands says, in its order; `up` runs meanwhile. */
const TABLE: Readonly<Record<string, () => Promise<void>>> = {
  'cli status': () => works('status', /qq-main \(qq\).*live[\s\S]*tg-main/),
  'cli doctor': async () => {
    const { code, stdout } = await cli('doctor');
    expect(stdout).toMatch(/qq-main/);
    expect([0, 1]).toContain(code);
  },
  'cli connections list': () => works('connections list', /qq-main[\s\S]*tg-main/),
  'cli connections show ID': () => works('connections show qq-main', /History, newest first/),
  'cli connections add ID KEY=VALUE…': () =>
    works(
      `connections add tg-two platform=telegram token='\${HOLDFAST_SECRET_TWO}' apiBaseUrl=${telegram.url}`,
      /tg-two/,
    ),
  'cli connections set ID KEY=VALUE…': () => works('connections set tg-two enabled=false', /tg-two/),
  'cli connections remove ID': () => works('connections remove tg-two', /tg-two/),
  'cli connections pause ID': () => works('connections pause qq-main', /pause asked for/),
  'cli connections resume ID': () => works('connections resume qq-main', /resume asked for/),
  'cli connections restart ID': () => works('connections restart qq-main', /restart asked for/),
  'cli connections handoff ID': async () => {
    // One worker holds all of them here, and none is alive to take it.
    expect(await cli('connections handoff qq-main')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/worker/),
    });
  },
  'cli messages send CONNECTION CONVERSATION TEXT': async () => {
    // A bot may write to those who wrote to it.
    telegram.bot().say(5_001, 'hello');
    const told = (text: string) =>
      telegram
        .bot()
        .delivered()
        .some((one) => one.text === text);
    await waitUntil('the answer', () => told('echo: hello'), { timeoutMs: 30_000 });
    await works('messages send tg-main chat:5001 "The backup is done."', /queued/);
    await waitUntil('the message', () => told('The backup is done.'), { timeoutMs: 30_000 });
    expect(await cli('messages send tg-main nowhere "Lost?"')).toMatchObject({ code: 2, stdout: '' });
    // A chat that the bot was never in.
    await works('messages send tg-main chat:6000001 "Lost?"', /queued/);
  },
  'cli messages dead': async () => {
    await waitUntil('the dead letter', async () => {
      const { stdout } = await cli('messages dead --json');
      const [first] = JSON.parse(stdout) as { id: string }[];
      letter = first?.id ?? '';
      return letter !== '';
    });
    await works('messages dead', /Lost\?/);
  },
  'cli messages retry LETTER': () => works(`messages retry ${letter}`, /back in its conversation/),
  'cli worker': () => serves('worker'),
  'cli scheduler': () => serves('scheduler'),
  'cli web': () => serves('web'),
};

/** Those of the blocks; each has its test below. */
const BLOCKS = [
  'npm ci && npm run demo',
  'npm ci && npm test',
  'QQ_CLIENT_SECRET=… TELEGRAM_BOT_TOKEN=… npm start',
  'TELEGRAM_BOT_TOKEN=… node dist/cli.js up',
];

describe('the README', { timeout: 240_000 }, () => {
  it('has no command that is not run here', () => {
    expect(commandsOf(readme).sort()).toEqual([...BLOCKS, ...Object.keys(TABLE)].sort());
  });

  it('npm ci && npm run demo: runs to its first act, and Ctrl-C ends it', async () => {
    const started = shell('npm run demo');
    await says(started, '▶ 1/');
    interrupt(started);
    expect((await started).all).toContain('nothing is left running');
    expect((await readdir(place)).filter((name) => name.startsWith('holdfast-'))).toEqual([]);
  });

  it('npm ci && npm test: is what CI runs', async () => {
    const ci = await readFile(join(ROOT, '.ci/run'), 'utf8');
    expect(ci).toMatch(/npm ci .*[\s\S]*npm test/);
    expect(JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')).scripts.test).toContain('vitest run');
  });

  it('npm start: builds, serves both bots, and every command of the table tells about them', async () => {
    await writeReadmeConfig();
    const started = shell('npm start', secrets);
    await says(started, '"event":"ready"');
    await waitUntil('both bots to be live', async () => (await cli('status')).code === 0, { timeoutMs: 30_000 });
    for (const run of Object.values(TABLE)) await run();
    interrupt(started);
    expect((await started).all).toContain('"event":"drained"');
  });

  it('node dist/cli.js up: needs no file', async () => {
    await rm(join(place, 'holdfast.yaml'));
    const { TELEGRAM_BOT_TOKEN } = secrets;
    const started = shell('exec node dist/cli.js up', { TELEGRAM_BOT_TOKEN });
    await says(started, '"event":"ready"');
    // The real platform is out of reach here, and it says so instead of being silent.
    const { code, stdout } = await cli('status --json', { TELEGRAM_BOT_TOKEN });
    expect(code).toBe(1);
    expect(JSON.parse(stdout).connections).toEqual([
      expect.objectContaining({ platform: 'telegram', state: expect.stringMatching(/connecting|waiting|unowned/) }),
    ]);
    interrupt(started);
    expect((await started).all).toContain('"event":"drained"');
  });
});
