/**
 * The token for the web role of an installation whose configuration has none: made at the first start, and kept in a file
 * for this user alone. Who deletes the file and starts again gets another one, which ends all sessions.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { stateHome } from '../config.ts';
import { explain, FatalError } from '../errors.ts';
import {
  assertOwnFolder,
  createPrivateFile,
  preparePrivateFolder,
  readPrivateFile,
  writePrivateFile,
} from '../files/private-file.ts';
import { registerSecret } from '../text/known-secrets.ts';
import { OWN_FOLDER } from './find-storage.ts';
import { EMBEDDED_DIR } from './storage.ts';

const FILE = 'admin-token';
/** What is shorter can be guessed, characters. */
const MIN_LENGTH = 16;

export interface AdminToken {
  readonly token: string;
  /** `null`: it could be kept nowhere, and ends with this process. */
  readonly file: string | null;
}

/**
 * Reads the token of the installation in `cwd`, or makes it: in `.holdfast`, or in the state folder of the user where that
 * cannot be written. Where neither can, it is kept in memory: a terminal still gets its link, and nobody else gets in. A
 * file that cannot be a token, or that others could have written, is replaced. Never throws.
 */
export async function openAdminToken(cwd: string, log: Logger): Promise<AdminToken> {
  const reasons: string[] = [];
  for (const folder of placesOf([cwd])) {
    try {
      const file = join(await preparePrivateFolder(folder), FILE);
      return { token: known(await readOrMake(file, log)), file };
    } catch (error) {
      reasons.push(explain(error));
    }
  }
  log.warn(
    { event: 'web.token-unkept', reasons },
    `the admin token could be kept nowhere, so nobody can log in: set http.adminToken (${reasons.join('; ')})`,
  );
  return { token: known(newToken()), file: null };
}

async function readOrMake(file: string, log: Logger): Promise<string> {
  try {
    // Of several processes that start at once, one makes it.
    const made = (await readPrivateFile(file)) === undefined && (await createPrivateFile(file, `${newToken()}\n`));
    if (made) log.info({ event: 'web.token-made', file }, `an admin token was made; it is in ${file}`);
    return checked(await readPrivateFile(file), file);
  } catch (error) {
    const token = newToken();
    await writePrivateFile(file, `${token}\n`);
    log.warn(
      { event: 'web.token-made', file, reason: explain(error) },
      `another admin token was made; it is in ${file}`,
    );
    return token;
  }
}

/**
 * Looks for the token of a running installation in the folders where it may be; makes none.
 *
 * @param folders - working directories of the installation, the likeliest first
 * @returns `null` when none of them has one
 * @throws FatalError when a file is there and cannot be a token, or is not ours
 */
export async function findAdminToken(folders: readonly string[]): Promise<AdminToken | null> {
  for (const place of placesOf(folders)) {
    const folder = await assertOwnFolder(place).catch(() => null);
    if (folder === null) continue;
    const file = join(folder, FILE);
    const text = await readPrivateFile(file);
    if (text !== undefined) return { token: known(checked(text, file)), file };
  }
  return null;
}

function placesOf(folders: readonly string[]): string[] {
  const home = stateHome();
  return [...folders.map((folder) => join(folder, EMBEDDED_DIR)), ...(home === null ? [] : [join(home, OWN_FOLDER)])];
}

function newToken(): string {
  return randomBytes(24).toString('hex');
}

function known(token: string): string {
  registerSecret(token);
  return token;
}

function checked(text: string | undefined, file: string): string {
  const token = text?.trim() ?? '';
  if (token.length >= MIN_LENGTH && !/\s/.test(token)) return token;
  const fix = 'delete it and start again, and another one is made';
  throw new FatalError('FILES_UNFIT', `${file} holds no token of at least ${MIN_LENGTH} characters: ${fix}`);
}
