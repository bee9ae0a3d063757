/**
 * What a Dockerfile says, carried out without a container engine: the build stage's commands run in a copy of the files
 * that .dockerignore lets through, and the last stage's COPY and RUN make a root folder out of it. Programs that its
 * packages and base image would bring (node, tini, redis-server) are those of this machine.
 */
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import dockerignore from '@balena/dockerignore';
import { type Copy, DockerfileParser, type Instruction, type JSONInstruction } from 'dockerfile-ast';
import { LONG } from './installation.ts';
import { whyNoNetHosts } from './net-hosts.ts';

const run = promisify(execFile);
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
export const DOCKERFILE = 'infra/docker/Dockerfile';

export interface Image extends AsyncDisposable {
  /** Its root folder; folders of the machine's own programs are mounted into it when it runs. */
  readonly dir: string;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly healthcheck: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workdir: string;
  readonly uid: number;
  readonly gid: number;
  /** Packages that its last stage installs from Debian. */
  readonly packages: readonly string[];
}

/** Why nothing can be run as in a container here, or `null`. */
export function whyNoContainers(): string | null {
  const missing = ['tini', 'redis-server', 'unshare', 'nsenter', 'setpriv'].filter(
    (program) => spawnSync('which', [program]).status !== 0,
  );
  if (missing.length > 0) return `${missing.join(', ')} missing (apt-get install tini redis-server util-linux)`;
  return whyNoNetHosts();
}

/** Two stages, of which the first one is called `build`. */
export function readDockerfile(): { readonly build: Instruction[]; readonly last: Instruction[] } {
  const all = DockerfileParser.parse(readFileSync(join(ROOT, DOCKERFILE), 'utf8')).getInstructions();
  const [first, second, ...more] = all.flatMap((each, at) => (each.getKeyword() === 'FROM' ? [at] : []));
  if (first === undefined || second === undefined || more.length > 0)
    throw new Error(`${DOCKERFILE} has not two stages`);
  return { build: all.slice(first + 1, second), last: all.slice(second + 1) };
}

export async function buildImage(): Promise<Image> {
  const place = await mkdtemp(join(tmpdir(), 'hf-image-'));
  const [source, dir] = [join(place, 'build'), join(place, 'root')];
  const { build, last } = readDockerfile();
  const context = await contextFiles();
  try {
    await carryOut(build, { dir: source, context, stages: {} }, (command) => inBuildStage(command, source));
    await layOutRoot(dir);
    await carryOut(last, { dir, context, stages: { build: source } }, (command) => inLastStage(command, dir));
    return {
      dir,
      ...settings(last),
      [Symbol.asyncDispose]: () => rm(place, { recursive: true, force: true }),
    };
  } catch (error) {
    await rm(place, { recursive: true, force: true });
    throw error;
  }
}

/** The files of the repository that the builder would be sent. */
async function contextFiles(): Promise<string[]> {
  const { stdout } = await run('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: ROOT });
  const ignore = dockerignore.default().add(readFileSync(join(ROOT, '.dockerignore'), 'utf8'));
  return ignore.filter(stdout.split('\n').filter((path) => path !== '' && existsSync(join(ROOT, path))));
}

interface Stage {
  /** Stands for `/` in the last stage and for the working directory in the first. */
  readonly dir: string;
  readonly context: readonly string[];
  /** Name → folder that stands for the working directory of that stage. */
  readonly stages: Readonly<Record<string, string>>;
}

async function carryOut(
  instructions: readonly Instruction[],
  stage: Stage,
  shell: (command: string) => Promise<void>,
): Promise<void> {
  let workdir = '/';
  for (const instruction of instructions) {
    switch (instruction.getKeyword()) {
      case 'WORKDIR':
        workdir = instruction.getArgumentsContent() ?? '/';
        await mkdir(placeOf(stage, workdir), { recursive: true });
        break;
      case 'COPY':
        await copy(instruction as Copy, stage, workdir);
        break;
      case 'RUN':
        await shell(instruction.getRawArgumentsContent() ?? '');
        break;
    }
  }
}

/** The build stage happens in one folder, wherever its Dockerfile puts that. */
function placeOf({ dir, stages }: Stage, path: string): string {
  return 'build' in stages ? join(dir, path) : dir;
}

async function copy(instruction: Copy, stage: Stage, workdir: string): Promise<void> {
  const words = instruction.getArguments().map((each) => each.getValue());
  const target = words.pop() ?? '';
  const from = instruction.getFromFlag()?.getValue();
  const folder = placeOf(stage, workdir);
  for (const word of words) {
    const to = target === './' ? join(folder, basename(word)) : join(folder, target);
    if (from != null) {
      // Everything that is copied lies below the working directory of its stage.
      await cp(join(stage.stages[from] ?? '', word.replace(/^\/src\//, '')), to, {
        recursive: true,
        dereference: true,
      });
      continue;
    }
    const files = stage.context.filter((path) => path === word || path.startsWith(`${word}/`));
    if (files.length === 0) throw new Error(`COPY ${word}: .dockerignore lets nothing of it through`);
    for (const file of files) await cp(join(ROOT, file), join(to, file.slice(word.length)));
  }
}

/**
 * What CI has just done with the same files is not done twice, unless there is time (`npm run test:long`): the packages of
 * this checkout are used instead of `npm ci`, and the build does not check types again.
 */
async function inBuildStage(command: string, source: string): Promise<void> {
  if (/^npm ci\b/.test(command) && !LONG) {
    symlinkSync(join(ROOT, 'node_modules'), join(source, 'node_modules'));
    return;
  }
  const { scripts } = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'));
  const unchecked = scripts.build.replace(/\btsc [^&]*/, (tsc: string) => `${tsc}--noCheck --declaration false `);
  const shortened = LONG ? command : command.replace('npm run build', unchecked);
  const PATH = `${join(source, 'node_modules/.bin')}:${process.env.PATH}`;
  await run('sh', ['-c', shortened], { cwd: source, env: { ...process.env, PATH }, maxBuffer: 2 ** 24 });
}

async function inLastStage(command: string, dir: string): Promise<void> {
  if (/\bapt-get\b/.test(command)) return;
  await run('unshare', [
    '--mount',
    'sh',
    '-ec',
    [...mounts(dir, { writable: true }), 'exec chroot "$0" sh -c "$1"'].join('\n'),
    dir,
    command,
  ]);
}

function settings(instructions: readonly Instruction[]): Omit<Image, 'dir' | typeof Symbol.asyncDispose> {
  const of = (keyword: string) => instructions.filter((each) => each.getKeyword() === keyword);
  const words = (keyword: string) =>
    (of(keyword).at(-1) as JSONInstruction | undefined)?.getJSONStrings().map((each) => each.getJSONValue()) ?? [];
  const [uid, gid] = (of('USER').at(-1)?.getArgumentsContent() ?? '').split(':').map(Number);
  if (uid === undefined || gid === undefined || !(uid > 0) || !(gid > 0))
    throw new Error('USER is not two numbers above 0');
  const health = /CMD (\[.*\])$/.exec(of('HEALTHCHECK').at(-1)?.getArgumentsContent() ?? '');
  const apt = of('RUN')
    .map((each) => each.getArgumentsContent() ?? '')
    .find((text) => text.includes('apt-get install'));
  return {
    entrypoint: words('ENTRYPOINT'),
    cmd: words('CMD'),
    healthcheck: JSON.parse(health?.[1] ?? '[]') as string[],
    env: Object.fromEntries(of('ENV').map((each) => (each.getArgumentsContent() ?? '').split('='))),
    workdir: of('WORKDIR').at(-1)?.getArgumentsContent() ?? '/',
    uid,
    gid,
    packages:
      /apt-get install ([^&]*)/
        .exec(apt ?? '')?.[1]
        ?.trim()
        .split(/\s+/)
        .filter((word) => !word.startsWith('-')) ?? [],
  };
}

/** Mount points that images and the containers of tests need. */
const FOLDERS = ['dev', 'etc/holdfast', 'etc/redis', 'proc', 'run/secrets', 'tmp', 'usr/local/bin'];
const USERS = [
  'root:x:0:0:root:/root:/bin/sh',
  'redis:x:999:999::/data:/bin/sh',
  'node:x:1000:1000::/home/node:/bin/sh',
];

async function layOutRoot(dir: string): Promise<void> {
  for (const folder of FOLDERS) mkdirSync(join(dir, folder), { recursive: true });
  for (const name of systemFolders()) mkdirSync(join(dir, name), { recursive: true });
  for (const name of ['bin', 'lib', 'lib64', 'sbin']) {
    const path = `/${name}`;
    if (existsSync(path) && lstatSync(path).isSymbolicLink()) symlinkSync(readlinkSync(path), join(dir, name));
  }
  await writeFile(join(dir, 'usr/local/bin/node'), '');
  await writeFile(join(dir, 'etc/passwd'), `${USERS.join('\n')}\n`);
  await writeFile(join(dir, 'etc/group'), 'root:x:0:\nredis:x:999:\nnode:x:1000:\n');
  await writeFile(join(dir, 'etc/hosts'), '');
  await cp('/etc/ld.so.cache', join(dir, 'etc/ld.so.cache')).catch(() => undefined);
}

/** Folders with programs and libraries of this machine, relative to `/`. */
function systemFolders(): string[] {
  const top = ['bin', 'lib', 'lib64', 'sbin'].filter(
    (name) => existsSync(`/${name}`) && !lstatSync(`/${name}`).isSymbolicLink(),
  );
  const usr = readdirSync('/usr', { withFileTypes: true }).filter(
    (entry) => entry.isDirectory() && entry.name !== 'local',
  );
  return [...top, ...usr.map(({ name }) => join('usr', name))];
}

/** Lines of a shell script for a mount namespace of its own. Only `/tmp` and what is mounted later can be written. */
export function mounts(dir: string, { writable = false } = {}): string[] {
  const at = (path: string) => quoted(join(dir, path));
  return [
    `mount --bind ${quoted(dir)} ${quoted(dir)}`,
    ...systemFolders().map((name) => `mount --rbind -o ro ${quoted(`/${name}`)} ${at(name)}`),
    // Where the base image has it.
    `mount --bind ${quoted(process.execPath)} ${at('usr/local/bin/node')}`,
    `mount --rbind /dev ${at('dev')}`,
    `mount -t proc proc ${at('proc')}`,
    `mount -t tmpfs -o mode=1777 tmpfs ${at('tmp')}`,
    ...(writable ? [] : [`mount -o remount,bind,ro ${quoted(dir)}`]),
  ];
}

export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
