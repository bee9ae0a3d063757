/**
 * What lies in infra for deployment, held against tools that others wrote: Dockerfile, compose files, systemd unit and
 * redis.conf. That they work is shown by containers.test.ts, as far as it can be without a container engine.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DCLinter } from 'dclint';
import { validate } from 'dockerfile-utils';
import { describe, expect, it } from 'vitest';
import { checkRedis, openRedis } from '../../src/state/redis.ts';
import { readCompose } from '../support/compose.ts';
import { DOCKERFILE, ROOT, readDockerfile } from '../support/image.ts';
import { startRedis } from '../support/redis.ts';

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const COMPOSE = ['infra/compose/nas.yaml', 'infra/compose/three-workers.yaml'];
const UNIT = 'infra/systemd/holdfast.service';

/** dclint's own declarations lead nowhere. */
interface LintMessage {
  readonly line: number;
  readonly message: string;
  readonly rule: string;
}

describe('Dockerfile', () => {
  it('is one for the parser and linter of editors', () => {
    expect(validate(read(DOCKERFILE))).toEqual([]);
    expect(validate('FROM scratch\nCMD ["a"]\nCMD ["b"]\nENTRYPIONT x')).not.toEqual([]);
  });

  it('is built of this version, runs as no root, has a health check, and its stop signal is the one that drains', () => {
    const { last } = readDockerfile();
    const said = (keyword: string) =>
      last.filter((each) => each.getKeyword() === keyword).map((each) => each.getArgumentsContent());
    expect(said('ARG')).toEqual([`VERSION=${JSON.parse(read('package.json')).version}`]);
    expect(said('USER')).toEqual(['1000:1000']);
    expect(said('HEALTHCHECK')).toHaveLength(1);
    expect(said('STOPSIGNAL')).toEqual(['SIGTERM']);
    expect(last.filter((each) => each.getKeyword() === 'ADD')).toEqual([]);
  });
});

describe('compose files', () => {
  // Order is for readers here, and the schema has nothing about it.
  const rules = {
    'service-keys-order': 0,
    'top-level-properties-order': 0,
    'require-quotes-in-ports': [2, { quoteType: 'double' }],
  };
  const lint = (path: string) =>
    new DCLinter({ rules, quiet: false, debug: false, exclude: [] } as never)
      .lintFiles([path], false)
      .flatMap((result: { messages: LintMessage[] }) =>
        result.messages.map(({ line, message, rule }) => `${line}: ${message} (${rule})`),
      );

  it.each(COMPOSE)('%s fits the compose specification, and a linter has nothing against it', (path) => {
    expect(lint(join(ROOT, path))).toEqual([]);
  });

  it('the linter would notice', () => {
    const dir = mkdtempSync(join(tmpdir(), 'hf-lint-'));
    try {
      const file = join(dir, 'compose.yaml');
      writeFileSync(file, read(COMPOSE[0] ?? '').replace('cap_drop:', 'cap-drop:'));
      expect(lint(file).join()).toMatch(/additional properties.*invalid-schema/);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it.each(COMPOSE)('%s leaves every container the time to drain, and starts it again', (path) => {
    for (const { name, graceMs } of readCompose(path).services) expect([name, graceMs > 10_000]).toEqual([name, true]);
    expect(read(path).match(/restart: unless-stopped/g)?.length).toBeGreaterThanOrEqual(2);
  });

  it.each(COMPOSE)(
    '%s: no container has the value of a secret in its environment, and each mounted file is named',
    (path) => {
      const { services, sources } = readCompose(path);
      // What Holdfast reads anew when it changes is in folders: a single file that is mounted stays as it was (G22).
      for (const { name, files, folders } of services.filter((each) => each.name !== 'redis')) {
        expect([name, files, Object.keys(folders)]).toEqual([name, {}, ['/etc/holdfast', '/run/secrets']]);
      }
      for (const { env, files } of services) {
        expect(Object.keys(env).filter((name) => /TOKEN|SECRET|PASSWORD|REDIS_URL|KEY/.test(name))).toEqual([]);
        for (const name of Object.values(files)) expect(sources).toHaveProperty(name);
      }
    },
  );
});

const noSystemd =
  spawnSync('systemd-analyze', ['--version']).status === 0
    ? null
    : 'systemd-analyze is missing (apt-get install systemd)';
if (noSystemd !== null) console.warn(`deploy-files.test.ts is skipped in part: ${noSystemd}`);

describe.skipIf(noSystemd !== null)('systemd unit', () => {
  const analyze = (...args: string[]) => spawnSync('systemd-analyze', args, { encoding: 'utf8' });
  /** With a program that is here: verify looks for it. */
  function withUnit<T>(change: (text: string) => string, use: (path: string) => T): T {
    const dir = mkdtempSync(join(tmpdir(), 'hf-unit-'));
    try {
      const path = join(dir, 'holdfast.service');
      writeFileSync(path, change(read(UNIT).replace('=/usr/bin/node', `=${process.execPath}`)));
      return use(path);
    } finally {
      rmSync(dir, { recursive: true });
    }
  }

  it('has no key that systemd does not know', () => {
    const verify = (change: (text: string) => string) =>
      withUnit(change, (path) => {
        const { stdout, stderr } = analyze('verify', '--man=no', path);
        const lines = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('holdfast.service'));
        // Of systemd 254; older ones pass them over.
        return lines.filter((line) => !/Unknown key(?: name)? '?Restart(?:Steps|MaxDelaySec)/.test(line));
      });
    expect(verify((text) => text)).toEqual([]);
    expect(verify((text) => text.replace('KillMode=mixed', 'KillMode=gentle')).join()).toMatch(/KillMode|gentle/);
  });

  it('is shut off from the system as far as systemd can see: exposure below 2 of 10', () => {
    const secure = (change: (text: string) => string) =>
      withUnit(change, (path) => analyze('security', '--offline=true', '--no-pager', '--threshold=20', path).status);
    expect(secure((text) => text)).toBe(0);
    expect(secure(() => '[Service]\nExecStart=/bin/true\n')).not.toBe(0);
  });

  it('leaves time to drain, signals the main process alone, and never gives up', () => {
    const unit = read(UNIT);
    expect(Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1])).toBeGreaterThan(10);
    for (const line of ['KillMode=mixed', 'Restart=always', 'StartLimitIntervalSec=0'])
      expect(unit).toContain(`\n${line}\n`);
  });

  it('starts again ever more slowly, up to five minutes, and takes no more of the machine than it may (G25, L7)', () => {
    const unit = read(UNIT);
    const value = (key: string) => Number(new RegExp(`^${key}=(\\d+)`, 'm').exec(unit)?.[1]);
    // RestartSec × (RestartMaxDelaySec / RestartSec)^(n / RestartSteps) is the delay before the n-th start.
    expect([value('RestartSec'), value('RestartSteps'), value('RestartMaxDelaySec')]).toEqual([2, 8, 300]);
    expect(unit).not.toMatch(/^RestartPreventExitStatus=/m);
    for (const key of ['MemoryMax', 'TasksMax']) expect([key, value(key) > 0]).toEqual([key, true]);
  });
});

describe('redis.conf', () => {
  it('starts a Redis that Holdfast finds fit, and durable', async () => {
    await using redis = await startRedis({ config: join(ROOT, 'infra/redis/redis.conf') });
    const client = openRedis({ url: redis.url }, 'fenced', 'test', () => undefined);
    try {
      await redis.client().ping();
      expect(await checkRedis(client)).toMatchObject({ durability: 'always' });
      expect(await redis.client().config('GET', 'maxmemory*')).toEqual(
        expect.arrayContaining(['noeviction', String(256 * 2 ** 20)]),
      );
    } finally {
      client.disconnect();
    }
  });
});
