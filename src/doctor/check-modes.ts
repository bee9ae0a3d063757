/** Who else on this machine can read or change the configuration, its secrets, and what Holdfast keeps; what is mounted alone. */
import type { Stats } from 'node:fs';
import { lstat, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import { MOUNT_THE_FOLDER, mountedAlone } from '../files/mounted-alone.ts';
import { type Finding, fail, ok, skipped, warn } from './finding.ts';

const FOR_OTHERS = 0o077;
const READABLE_FOR_ALL = 0o004;
const WRITABLE_FOR_OTHERS = 0o022;
/** Where container engines put secrets, readable for all: there are no other users inside. */
const OF_A_CONTAINER = '/run/secrets/';

/** @param folders - `.holdfast` of places where the installation may have been started; those that are there are looked at */
export async function modeFindings(config: Config, folders: readonly string[]): Promise<Finding[]> {
  const own = process.geteuid?.();
  if (own === undefined) return [skipped('modes', 'this system has no owners and modes of files')];
  const ofFiles = await Promise.all(
    config.files.map(async (path) => {
      const found = await stat(path).catch(() => null);
      return found === null ? [] : [...fileFindings(path, found, config, own)];
    }),
  );
  const ofFolders = await Promise.all(folders.map((folder) => folderFindings(folder, own)));
  const findings = [...ofFiles.flat(), ...ofFolders.flat()];
  if (findings.length > 0) return findings;
  return [ok('modes', 'nobody else can change the configuration, or read secrets and messages')];
}

function* fileFindings(
  path: string,
  { uid, mode }: Stats,
  { file, literalSecrets }: Config,
  own: number,
): Generator<Finding> {
  const about = { subject: path };
  if (uid !== own && uid !== 0 && own !== 0) {
    yield warn(
      'modes',
      `belongs to user ${uid}, who can change it`,
      'chown it to root or to the user of the service',
      about,
    );
  }
  if ((mode & WRITABLE_FOR_OTHERS) !== 0) {
    yield fail('modes', 'can be changed by other users of this machine', `chmod go-w ${path}`, about);
  }
  if ((mode & READABLE_FOR_ALL) === 0 || path.startsWith(OF_A_CONTAINER)) return;
  if (path !== file)
    yield warn('modes', 'is a secret that every user of this machine can read', `chmod 600 ${path}`, about);
  else if (literalSecrets.length > 0) {
    const fix = `chmod 600 ${path}, or move them into files of their own (…File) or variables`;
    yield warn(
      'modes',
      `holds secrets (${literalSecrets.join(', ')}) and can be read by every user of this machine`,
      fix,
      about,
    );
  }
}

async function folderFindings(folder: string, own: number): Promise<Finding[]> {
  const about = { subject: folder };
  const found = await stat(folder).catch(() => null);
  if (found === null) return [];
  if (found.uid !== own && own !== 0) {
    const fix = 'run doctor as that user, or give the folder to the user of the service';
    return [warn('modes', `belongs to user ${found.uid} and not to us (user ${own})`, fix, about)];
  }
  const findings: Finding[] = [];
  if ((found.mode & FOR_OTHERS) !== 0)
    findings.push(fail('modes', 'is open to other users', `chmod 700 ${folder}`, about));
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const open: string[] = [];
  const foreign: string[] = [];
  for (const name of names) {
    const each = await lstat(join(folder, name)).catch(() => null);
    if (each === null || each.isSymbolicLink() || each.isSocket()) continue;
    if ((each.mode & FOR_OTHERS) !== 0) open.push(name);
    if (each.uid !== found.uid) foreign.push(name);
  }
  if (open.length > 0) {
    const fix = 'start again, which closes what Redis writes; or chmod go-rwx them: copies and archives keep the mode';
    findings.push(warn('modes', `${named(open)} can be read by others once outside of the folder`, fix, about));
  }
  if (foreign.length > 0) {
    const fix = `chown -R them to user ${found.uid}: a start as another user (sudo?) left them`;
    findings.push(warn('modes', `${named(foreign)} belong to another user than the folder`, fix, about));
  }
  return findings;
}

function named(names: readonly string[]): string {
  return names.length > 3 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ');
}

/** Changes of a file that is mounted alone are not seen. */
export async function mountFindings({ files }: Config): Promise<Finding[]> {
  const mounted = await mountedAlone(files);
  if (mounted.length === 0) return [ok('mounts', 'no file of the configuration is mounted alone: changes are seen')];
  return mounted.map(({ path, replaced }) => {
    const about = { subject: path };
    if (!replaced) return warn('mounts', 'is mounted alone', MOUNT_THE_FOLDER, about);
    const fix = 'recreate the container: docker compose up -d --force-recreate';
    return fail('mounts', 'was replaced where it is mounted from: the old one is used here', fix, about);
  });
}
