/** Prints a link that logs a browser in, once. */
import { type Config, type HttpConfig, loadConfig, localUrl } from '../config.ts';
import { ConfigError, explain, FatalError } from '../errors.ts';
import { findAdminToken } from '../run/admin-token.ts';
import { workingFolders } from '../run/find-storage.ts';
import { loginLink, makeLoginCode } from '../web/login-code.ts';
import { EXIT } from './exit-codes.ts';

/** @throws ConfigError or FatalError when there is nothing to log in to, or no token to be found */
export async function loginCommand(file: string | undefined): Promise<number> {
  const config = loadConfig({ file, secrets: 'unneeded' });
  if (config.http === null) throw new ConfigError(['http: is switched off, so there is nothing to log in to']);
  const token = await tokenOf(config, config.http, file);
  const link = loginLink(
    config.http.port === 0 ? 'http://HOST:PORT' : localUrl(config.http),
    makeLoginCode(token, Date.now()),
  );
  process.stdout.write(`${link}\n`);
  const where = config.http.port === 0 ? '; http.port is 0, so the log says what HOST:PORT is ("event":"web")' : '';
  process.stderr.write(`good once, for 10 minutes${where}\n`);
  return EXIT.ok;
}

async function tokenOf(config: Config, http: HttpConfig, file: string | undefined): Promise<string> {
  if (http.access.kind !== 'made') return configuredToken(file);
  const folders = await workingFolders(config.file ?? undefined, process.cwd());
  const found = await findAdminToken(folders);
  if (found !== null) return found.token;
  throw new FatalError(
    'CREDENTIAL_MISSING',
    `no admin token was found in ${folders.map((folder) => `${folder}/.holdfast`).join(' or ')}: it is made at the first start of "holdfast up" or "holdfast web", and kept for the user that starts it`,
  );
}

function configuredToken(file: string | undefined): string {
  let access: HttpConfig['access'] | undefined;
  try {
    access = loadConfig({ file }).http?.access;
  } catch (cause) {
    const advice =
      'the token stands in the configuration (http.adminToken), which cannot be read whole here: log in with it';
    throw new ConfigError([`${advice} (${explain(cause)})`], { cause });
  }
  if (access?.kind === 'configured') return access.token;
  throw new ConfigError([
    'http.adminToken: is "none", so there is nothing to log in to: everybody on this machine may read',
  ]);
}
