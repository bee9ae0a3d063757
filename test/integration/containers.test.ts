/**
 * The commands of Dockerfile, compose files and systemd unit, run as they would be run, without a container engine: what
 * the Dockerfile copies is all there is beside the machine's own programs, tini is PID 1, nobody is root, nothing may be
 * written but volumes, each container is a host of its own. Not shown by this: pulling, layers, packages of the base image,
 * Docker's networks and limits, systemd itself.
 */
import { chown, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { type QqEmulator, startQq } from '../emulators/qq/index.ts';
import { type Compose, type ComposeService, readCompose } from '../support/compose.ts';
import { Container, type ContainerOptions } from '../support/container.ts';
import { buildImage, type Image, ROOT, readDockerfile, whyNoContainers } from '../support/image.ts';
import { NetHosts } from '../support/net-hosts.ts';
import { waitUntil } from '../support/wait-until.ts';

/** In the folder of secrets. */
const SECRETS = ['admin_token', 'qq_client_secret', 'redis_url', 'telegram_bot_token'];
const ADMIN_TOKEN = 'admin-token-of-the-container-tests';
const REDIS_PASSWORD = 'redis-password-of-the-container-tests';

const missing = whyNoContainers();
if (missing !== null) console.warn(`containers.test.ts is skipped: ${missing}`);

/** For what a container is waited for when the machine has much else to do, ms. */
const PATIENCE_MS = 60_000;
const READY = '"event":"ready"';

describe.skipIf(missing !== null)('containers', { timeout: 300_000 }, () => {
  let image: Image;
  let hosts: NetHosts;
  let qq: QqEmulator;
  const folders: string[] = [];

  beforeAll(async () => {
    hosts = await NetHosts.create();
    const bots = ['nas', 'workers', 'systemd'].map((_name, index) => ({
      appId: `10200000${index + 2}`,
      clientSecret: `secret-${index}`,
    }));
    [image, qq] = await Promise.all([buildImage(), startQq({ host: hosts.address, bots })]);
  }, 180_000);

  afterAll(async () => {
    await qq?.close();
    await hosts?.[Symbol.asyncDispose]();
    await image?.[Symbol.asyncDispose]();
    await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })));
  });

  async function volume(owner: number): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'hf-volume-'));
    folders.push(folder);
    await chown(folder, owner, owner);
    return folder;
  }

  /** To be said before the first session would be to say it to nobody. */
  async function answered(appId: string): Promise<void> {
    await qq.journal.waitForKind('identify', (each) => each.appId === appId && each.outcome === 'accepted', {
      timeoutMs: PATIENCE_MS,
    });
    const { messageId } = qq.bot(appId).user('ALICE').say('hello');
    await qq.journal.waitUntil(() => qq.journal.repliesTo(messageId).length > 0, { timeoutMs: PATIENCE_MS });
  }

  /** A shipped configuration, with our bot at our platform. */
  async function configuration(file: string, appId: string): Promise<string> {
    const document = parse(await readFile(join(ROOT, file), 'utf8'));
    for (const connection of document.connections.filter(({ platform }: { platform: string }) => platform === 'qq')) {
      Object.assign(connection, { appId, apiBaseUrl: qq.apiBaseUrl, tokenUrl: qq.tokenUrl });
    }
    return stringify(document);
  }

  it('docker run: the image holds all that `up` needs, its own Redis included; healthy while a platform is live, gone in time, and back with its data', async () => {
    const data = await volume(image.uid);
    const host = await hosts.add('docker');
    const appId = qq.account.appId;
    const env = {
      QQ_APP_ID: appId,
      QQ_CLIENT_SECRET: qq.account.clientSecret,
      QQ_API_BASE_URL: qq.apiBaseUrl,
      QQ_TOKEN_URL: qq.tokenUrl,
    };
    const command = [...image.entrypoint, ...image.cmd];
    const options: ContainerOptions = { image, command, name: 'docker', host, env, volumes: { '/data': data } };
    {
      await using container = await Container.start(options);
      await container.says(READY);
      await container.healthy(image.healthcheck);
      expect((await container.exec(['cat', '/proc/1/comm'])).output).toBe('tini\n');
      expect((await container.exec(['sh', '-c', 'id -u; touch /app/x'])).output).toMatch(/^1000\n.*Read-only/s);
      await answered(appId);
      const link = (await container.exec(['holdfast', 'login'])).output.split('\n')[0];
      const page = ['node', '-e', `console.log((await fetch("${link}", { redirect: "manual" })).status)`];
      expect((await container.exec(page)).output).toBe('303\n');

      await qq.faults.refuseDials();
      qq.faults.dropSockets({ how: 'rst' });
      await waitUntil('the health check to notice', async () => (await container.exec(image.healthcheck)).code === 1);
      expect((await container.exec(image.healthcheck)).output).toMatch(/^not ready: none of 1 connections is live/);
      expect((await container.exec(['holdfast', 'status'])).code).toBe(1);
      await qq.faults.acceptDials();
      await container.healthy(image.healthcheck);

      const exit = await container.stop();
      expect(exit).toMatchObject({ code: 0 });
      expect(exit.afterMs).toBeLessThan(10_000);
    }
    const { messageId } = qq.user('BOB').say('while no container ran');
    await using again = await Container.start(options);
    await qq.journal.waitUntil(() => qq.journal.repliesTo(messageId).length > 0, { timeoutMs: PATIENCE_MS });
    // From the volume: the session is resumed, and no new one begun.
    expect(qq.journal.of('identify', (each) => each.appId === appId)).toHaveLength(1);
    expect(await again.stop()).toMatchObject({ code: 0 });
  });

  it('nas.yaml: gateway and Redis, healthy by their own checks; proxy variables reach the connections', async () => {
    await using project = await composeUp('infra/compose/nas.yaml', '102000002', {
      env: { HTTPS_PROXY: `http://user:password@${hosts.address}:9` },
      change: (document) => {
        const [own] = document.connections;
        own.proxy = 'direct';
      },
    });
    const [gateway] = project.of('gateway');
    await answered('102000002');
    const status = await gateway?.exec(['holdfast', 'status', '--json']);
    expect(status?.output).toContain(`http proxy ${hosts.address}:9`);
    expect(status?.output).not.toContain('user:password');
    await project.stop();
  });

  it('three-workers.yaml: every role healthy, the three workers known by names of their own, one of them lost without notice', async () => {
    await using project = await composeUp('infra/compose/three-workers.yaml', '102000003', {});
    await answered('102000003');
    const [web] = project.of('web');
    const text = (await web?.exec(['holdfast', 'status', '--json']))?.output ?? '';
    const { workers, connections } = JSON.parse(text);
    const holders = workers.filter(({ roles }: { roles: string[] }) => roles.includes('connections'));
    expect(new Set(holders.map(({ id }: { id: string }) => id)).size).toBe(3);
    const { owner } = connections.find(({ id }: { id: string }) => id === 'qq-main');
    const outputs = await Promise.all(project.of('connections').map((each) => each.exec(['hostname'])));
    const held = outputs.findIndex(({ output }) => owner.startsWith(`${output.trim()}/`));
    const mark = qq.journal.mark();
    project.of('connections')[held]?.kill('SIGKILL');
    await qq.journal.waitForKind('resumed', () => true, { timeoutMs: PATIENCE_MS, since: mark });
    await answered('102000003');
    await project.stop(held);
  });

  it('holdfast.service: its command, with the credentials and folders that systemd would give it', async () => {
    const unit = await readFile(join(ROOT, 'infra/systemd/holdfast.service'), 'utf8');
    const [, line = ''] = /^ExecStart=(.*)$/m.exec(unit) ?? [];
    const command = line.replace('/usr/bin/node', '/usr/local/bin/node').replace('/opt/holdfast/', '/app/').split(' ');
    const state = await volume(image.uid);
    const config = {
      connections: [
        {
          id: 'qq-main',
          platform: 'qq',
          appId: '102000004',
          clientSecretFile: `\${CREDENTIALS_DIRECTORY}/secrets_qq`,
          apiBaseUrl: qq.apiBaseUrl,
          tokenUrl: qq.tokenUrl,
        },
      ],
    };
    await using service = await Container.start({
      image,
      command: ['tini', '--', ...command],
      name: 'systemd',
      host: await hosts.add('systemd'),
      env: { CREDENTIALS_DIRECTORY: '/run/secrets' },
      files: { '/etc/holdfast/holdfast.yaml': stringify(config), '/run/secrets/secrets_qq': 'secret-2\n' },
      volumes: { '/data': state },
    });
    await service.says(READY);
    await service.healthy(image.healthcheck);
    await answered('102000004');
    expect(await service.stop()).toMatchObject({ code: 0 });
  });

  it('what the last stage installs is what these tests run with', () => {
    expect(image.packages).toEqual(['redis-server', 'tini']);
    expect(readDockerfile().build.map((each) => each.getArgumentsContent())).toContain(
      'npm ci --ignore-scripts --no-audit --no-fund',
    );
  });

  interface ComposeOptions {
    /** Of the shell that calls docker compose. */
    readonly env?: Readonly<Record<string, string>>;
    // biome-ignore lint/suspicious/noExplicitAny: a configuration as it is read
    readonly change?: (document: any) => void;
  }

  /** All services of a compose file, healthy; Redis first, as `depends_on` says. */
  async function composeUp(file: string, appId: string, { env = {}, change }: ComposeOptions) {
    const compose = readCompose(file, env);
    const name = compose.services.length > 2 ? 'w' : 'n';
    const address: Record<string, string> = {};
    const started: { service: ComposeService; container: Container }[] = [];
    const contents = await contentsOf(compose, appId, change);
    const data = await volume(999);
    const start = async (service: ComposeService, number: number) => {
      const host = await hosts.add(`${name}${service.name.slice(0, 3)}${number}`);
      const redis = service.name === 'redis';
      address[service.name] = host.address;
      const ours = service.command.length > 0 ? service.command : image.cmd;
      const container = await Container.start({
        image: redis ? { ...image, env: {}, workdir: '/data', uid: 999, gid: 999 } : image,
        command: redis ? service.command : [...image.entrypoint, ...ours],
        name: service.name,
        host,
        env: service.env,
        files: filesOf(service, contents),
        hosts: { redis: address.redis ?? '' },
        volumes: redis ? { '/data': data } : {},
        tmpfs: service.tmpfs.filter((path) => path !== '/tmp'),
      });
      started.push({ service, container });
    };
    const each = async (services: readonly ComposeService[]) => {
      await Promise.all(
        services.flatMap((service) => Array.from({ length: service.replicas }, (_none, n) => start(service, n))),
      );
      const ours = started.filter(({ service }) => service.name !== 'redis');
      await Promise.all(ours.map(({ container }) => container.says(READY)));
      // One after another, and one of each service: a check may start two processes.
      for (const service of services) {
        const one = started.find((each) => each.service === service);
        await one?.container.healthy(service.healthcheck.length > 0 ? service.healthcheck : image.healthcheck);
      }
    };
    const dispose = async () => {
      await Promise.all(started.map(({ container }) => container[Symbol.asyncDispose]()));
    };
    try {
      await each(compose.services.filter((service) => service.name === 'redis'));
      await each(compose.services.filter((service) => service.name !== 'redis'));
    } catch (error) {
      await dispose();
      throw error;
    }
    const of = (wanted: string) =>
      started.filter(({ service }) => service.name === wanted).map(({ container }) => container);
    return {
      of,
      /** Every container ends with 0 in its time, but for one that was killed; Redis last. */
      async stop(killed = -1): Promise<void> {
        const left = started.filter(({ container }) => container !== of('connections')[killed]);
        for (const last of [false, true]) {
          const now = left.filter(({ service }) => (service.name === 'redis') === last);
          const exits = await Promise.all(now.map(({ service, container }) => container.stop(service.graceMs)));
          for (const [at, { code }] of exits.entries())
            expect([now[at]?.service.name, code]).toEqual([now[at]?.service.name, 0]);
        }
      },
      [Symbol.asyncDispose]: dispose,
    };
  }

  /** What the folders hold, after docs/deploy.md, and what is mounted by itself. */
  function filesOf({ folders, files }: ComposeService, contents: Record<string, string>): Record<string, string> {
    const paths = Object.entries(files).map(([path, key]) => [path, contents[key] ?? '']);
    if ('/etc/holdfast' in folders) paths.push(['/etc/holdfast/holdfast.yaml', contents.holdfast ?? '']);
    if ('/run/secrets' in folders)
      for (const name of SECRETS) paths.push([`/run/secrets/${name}`, contents[name] ?? '']);
    return Object.fromEntries(paths);
  }

  async function contentsOf({ sources, services }: Compose, appId: string, change?: ComposeOptions['change']) {
    const [folder] = services.flatMap(({ folders }) => folders['/etc/holdfast'] ?? []);
    const document = parse(await configuration(join('infra/compose', folder ?? '', 'holdfast.yaml'), appId));
    change?.(document);
    return {
      holdfast: stringify(document),
      redis: await readFile(join(ROOT, 'infra/compose', sources.redis ?? ''), 'utf8'),
      admin_token: `${ADMIN_TOKEN}\n`,
      qq_client_secret: `secret-${Number(appId) - 102000002}\n`,
      telegram_bot_token: '4711:not-a-token-of-anybody\n',
      redis_auth: `requirepass ${REDIS_PASSWORD}\n`,
      redis_url: `redis://:${REDIS_PASSWORD}@redis:6379/0\n`,
    } as Record<string, string>;
  }
});
