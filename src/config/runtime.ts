/**
 * Connections that are added to a running installation. They stand in Redis, so their secrets are references, written as
 * in the file: `clientSecret: "${HOLDFAST_SECRET_QQ2}"`, or `clientSecretFile: qq2`. Every process that needs the value
 * looks it up by itself. Which variables, files and hosts may be named is bounded (docs/adr/0016, 0025).
 */
import { realpathSync, statSync } from 'node:fs';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { z } from 'zod';
import { ConfigError } from '../errors.ts';
import { readProxy } from '../http/proxy/proxy-url.ts';
import type { JsonValue } from '../model.ts';
import { type AllowedHosts, hostProblem, isHostEntry, PLATFORMS_ONLY, proxyProblem } from './allowed-hosts.ts';
import type { ConfiguredConnection } from './connection.ts';
import { keysOf, text } from './fields.ts';
import { LEFT_OUT } from './left-out.ts';
import { connectionSchema } from './platforms.ts';
import { problemLines } from './problems.ts';
import { resolveReferences } from './references.ts';
import { SECRET_KEYS } from './secret-keys.ts';

export const runtimeSchema = keysOf({
  secretsPrefix: z
    .string({ error: 'must be text, for example HOLDFAST_SECRET_' })
    .regex(/^[A-Za-z][A-Za-z0-9_]{3,62}_$/, {
      error: 'must be at least five letters, digits and "_", and end with "_", for example HOLDFAST_SECRET_',
    })
    .default('HOLDFAST_SECRET_')
    .describe('How environment variables begin that a connection added at run time may name.'),
  secretsDir: text(
    'The folder with files that a connection added at run time may name.',
    'secretsDir: /run/holdfast-secrets',
  ).optional(),
  allowedHosts: z
    .array(
      z.string({ error: 'must be text, for example bots.example.org' }).refine(isHostEntry, {
        error: 'must be a host such as bots.example.org or bots.example.org:8081, or with http:// before it; no path',
      }),
      { error: 'must be a list: each host starts with "- "' },
    )
    .default([])
    .describe(
      'Hosts besides those of the platforms and of this file to which connections added at run time may send their secrets.',
    ),
}).prefault({});

/** Which secrets a connection that was added at run time may refer to. */
export interface RuntimeBounds {
  readonly secretsPrefix: string;
  /** Absolute; `null`: no files. */
  readonly secretsDir: string | null;
  /** @defaultValue the platforms' own */
  readonly hosts?: AllowedHosts;
}

/** @param named - connections of the configuration file; with `null` for proxies that are not known here */
export function runtimeBounds(
  { secretsPrefix, secretsDir, allowedHosts }: z.output<typeof runtimeSchema>,
  baseDir: string,
  named: Omit<AllowedHosts, 'listed'>,
): RuntimeBounds {
  return {
    secretsPrefix,
    secretsDir: secretsDir === undefined ? null : resolve(baseDir, secretsDir),
    hosts: { listed: allowedHosts, ...named },
  };
}

/** Keys of a connection by name, as they were given. */
export type Definition = { readonly [key: string]: JsonValue };

/**
 * Checks a connection without looking its secrets up: whoever asks for it need not have them.
 *
 * @throws ConfigError one line per problem; none repeats a value
 */
export function checkDefinition(given: unknown, bounds: RuntimeBounds): ConfiguredConnection {
  const definition = asDefinition(given);
  const problems: string[] = [];
  const read: [string, unknown][] = [];
  for (const [key, value] of Object.entries(definition)) {
    const secret = secretOf(key);
    const problem = secret === null ? plainProblem(value) : referenceProblem(key, secret, value, definition, bounds);
    if (problem !== null) problems.push(`${key}: ${problem}`);
    // A proxy without a password is no secret, and is judged as it is.
    read.push([secret ?? key, secret === null || isPlainProxy(key, value) ? value : LEFT_OUT]);
  }
  const document = Object.fromEntries(read);
  const parsed = connectionSchema.safeParse(document);
  if (parsed.error !== undefined) problems.push(...problemLines(parsed.error.issues, document));
  else problems.push(...placesProblems(parsed.data, definition, bounds.hosts ?? PLATFORMS_ONLY));
  if (problems.length > 0 || parsed.data === undefined) throw new ConfigError(problems);
  return parsed.data;
}

/** Where its secret would go. */
function placesProblems({ urls }: ConfiguredConnection, { proxy }: Definition, hosts: AllowedHosts): string[] {
  const places = Object.entries(urls).map(([key, url]) => [key, hostProblem(url, hosts)] as const);
  const plainProxy = typeof proxy === 'string' && isPlainProxy('proxy', proxy) ? proxyProblem(proxy, hosts) : null;
  return [...places, ['proxy', plainProxy] as const].flatMap(([key, problem]) =>
    problem === null ? [] : [`${key}: ${problem}`],
  );
}

/**
 * Looks the secrets up, here and now.
 *
 * @throws ConfigError when this process has no such variable or file, or may not use it
 */
export function resolveDefinition(
  given: unknown,
  bounds: RuntimeBounds,
  env: Readonly<Record<string, string | undefined>>,
): ConfiguredConnection {
  checkDefinition(given, bounds);
  const definition = asDefinition(given);
  const dir = bounds.secretsDir ?? '/';
  const outside = filesOf(definition, bounds).flatMap(({ key, path }) => {
    const problem = fileProblem(path, dir);
    return problem === null ? [] : [`${key}: ${problem}`];
  });
  if (outside.length > 0) throw new ConfigError(outside);
  const { document, problems } = resolveReferences(definition, {
    env,
    baseDir: dir,
    withSecrets: true,
    literal: false,
  });
  if (problems.length > 0) throw new ConfigError(problems);
  const parsed = connectionSchema.safeParse(document);
  if (parsed.error !== undefined) throw new ConfigError(problemLines(parsed.error.issues, document));
  return parsed.data;
}

/** @returns the files that `given` names, absolute; none for what is no definition */
export function filesOf(
  given: unknown,
  { secretsDir }: RuntimeBounds,
): { readonly key: string; readonly path: string }[] {
  if (secretsDir === null || !isDefinition(given)) return [];
  return Object.entries(given).flatMap(([key, value]) =>
    isFileKey(key) && typeof value === 'string' ? [{ key, path: resolve(secretsDir, value) }] : [],
  );
}

function asDefinition(given: unknown): Definition {
  if (isDefinition(given)) return given;
  throw new ConfigError(['the connection: must be a group of keys: id, platform and what the platform needs']);
}

function isDefinition(given: unknown): given is Definition {
  return typeof given === 'object' && given !== null && !Array.isArray(given);
}

/** `clientSecret` for `clientSecret` and `clientSecretFile`; `null` for what is no secret. */
function secretOf(key: string): string | null {
  const base = isFileKey(key) ? key.slice(0, -'File'.length) : key;
  return SECRET_KEYS.has(base) ? base : null;
}

function isFileKey(key: string): boolean {
  return key.endsWith('File') && SECRET_KEYS.has(key.slice(0, -'File'.length));
}

/** Whatever stands here goes to Redis and is shown, so no secret may come into it. */
function plainProblem(value: unknown): string | null {
  return JSON.stringify(value).includes('${') ? 'only secrets can be references here; write the value' : null;
}

function isPlainProxy(key: string, value: unknown): boolean {
  if (key !== 'proxy' || typeof value !== 'string' || value.includes('${')) return false;
  const read = readProxy(value);
  return read.kind === 'direct' || (read.kind === 'proxy' && read.proxy.credentials === null);
}

function referenceProblem(
  key: string,
  secret: string,
  value: unknown,
  definition: Definition,
  { secretsPrefix, secretsDir }: RuntimeBounds,
): string | null {
  if (isPlainProxy(key, value)) return null;
  const variable = `"\${${secretsPrefix}…}", an environment variable of the workers`;
  if (isFileKey(key)) {
    if (secret in definition) return `stands beside ${secret}; keep one of them`;
    if (secretsDir === null)
      return `needs runtime.secretsDir in the configuration; set it, or write ${secret}: ${variable}`;
    if (typeof value !== 'string' || value === '') return 'must be the path of a file below runtime.secretsDir';
    if (value.includes('${')) return 'must be the path itself, without "${"; write it out';
    return isInside(resolve(secretsDir, value), secretsDir)
      ? null
      : 'must lie below runtime.secretsDir; move the file there, or name another one';
  }
  const [, name] = (typeof value === 'string' ? /^\$\{([^{}]*)\}$/.exec(value) : null) ?? [];
  if (name === undefined) {
    const asFile = secretsDir === null ? '' : `, or ${key}File: the path of a file below runtime.secretsDir`;
    return `must be a reference, because the connection stands in Redis and secrets never do: write ${variable}${asFile}`;
  }
  if (!name.startsWith(secretsPrefix) || !/^[A-Za-z0-9_]+$/.test(name) || name === secretsPrefix) {
    return `may only name variables that begin with ${secretsPrefix} (runtime.secretsPrefix); call it so, and give it to the workers`;
  }
  return null;
}

/** Links are followed first: a name inside the folder must not be a way out of it. */
function fileProblem(path: string, dir: string): string | null {
  let real: string;
  try {
    real = realpathSync(path);
    if (!isInside(real, realpathSync(dir))) return 'leads out of runtime.secretsDir; put the file itself there';
  } catch (error) {
    return `names ${path}, which cannot be read (${(error as NodeJS.ErrnoException).code}); create it on this host`;
  }
  const { size } = statSync(real);
  return size > LARGEST_SECRET ? `names ${path}, which is larger than any secret; correct the path` : null;
}

/** bytes */
const LARGEST_SECRET = 16_384;

function isInside(path: string, dir: string): boolean {
  const way = relative(dir, path);
  // Kubernetes has folders called "..data".
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
