/**
 * What a configuration file may leave to its surroundings: `${NAME}` inside any text is an environment variable (`$${`
 * writes a literal `${`), and `<key>File` beside a secret key names a file that holds the value.
 */

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { ownValue } from '../model.ts';
import { LEFT_OUT } from './left-out.ts';
import { keyPath } from './problems.ts';
import { FILE_KEYS, SECRET_KEYS } from './secret-keys.ts';

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Relative paths of secret files start here. */
  readonly baseDir: string;
  /** false: secrets are neither looked up nor kept, for commands that need none. */
  readonly withSecrets: boolean;
  /** The document is made of values already: a "${" in one of them means nothing. */
  readonly literal: boolean;
}

export interface Resolved {
  readonly document: unknown;
  readonly problems: readonly string[];
  /** Paths (as {@link pathId}) that already have a problem: whatever the schema says about them is its consequence. */
  readonly failed: ReadonlySet<string>;
  /** Paths of the files that were read, or should have been. */
  readonly files: readonly string[];
  /** Paths of keys whose secrets stand in the document itself. */
  readonly literalSecrets: readonly string[];
}

type Path = readonly (string | number)[];

export function pathId(path: readonly PropertyKey[]): string {
  return path.map(String).join('\u0000');
}

/** Far deeper than any key of the schema. */
const MAX_DEPTH = 20;

export function resolveReferences(document: unknown, surroundings: Surroundings): Resolved {
  const problems: string[] = [];
  const failed = new Set<string>();
  const files: string[] = [];
  const literalSecrets: string[] = [];

  const fail = (path: Path, problem: string): string => {
    problems.push(`${keyPath(path, document)}: ${problem}`);
    failed.add(pathId(path));
    return LEFT_OUT;
  };

  /** Lists and maps that are being walked: an alias of YAML can put one into itself. */
  const around = new Set<object>();
  const walk = (value: unknown, path: Path): unknown => {
    if (typeof value === 'string' && surroundings.literal) return value;
    if (typeof value === 'string') return interpolate(value, surroundings.env, (problem) => fail(path, problem));
    if (typeof value !== 'object' || value === null) return value;
    if (around.has(value)) return fail(path, 'contains itself (an alias of YAML); write it out');
    if (path.length > MAX_DEPTH) return fail(path.slice(0, 3), `is nested more than ${MAX_DEPTH} levels deep`);
    around.add(value);
    const walked = Array.isArray(value)
      ? value.map((each, index) => walk(each, [...path, index]))
      : Object.fromEntries(Object.entries(value).map(([key, each]) => entry(value, key, each, path)));
    around.delete(value);
    return walked;
  };

  const entry = (holder: object, key: string, value: unknown, path: Path): [string, unknown] => {
    const secret = fileKeyOf(key) ?? key;
    if (secret === key && isLiteralSecret(key, value)) literalSecrets.push(keyPath([...path, key], document));
    if (!surroundings.withSecrets && SECRET_KEYS.has(secret)) return [secret, LEFT_OUT];
    if (secret === key) return [key, walk(value, [...path, key])];
    const at = [...path, key];
    // The schema judges the key that the file stands for.
    failed.add(pathId([...path, secret]));
    if (Object.hasOwn(holder, secret)) return [secret, fail(at, `stands beside ${secret}; keep one of them`)];
    const file = walk(value, at);
    if (typeof file !== 'string' || file === '') return [secret, fail(at, 'must be the path of a file')];
    if (failed.has(pathId(at))) return [secret, LEFT_OUT];
    const secretFile = resolve(surroundings.baseDir, file);
    files.push(secretFile);
    const content = readSecret(secretFile, (problem) => fail(at, problem));
    if (content !== LEFT_OUT) failed.delete(pathId([...path, secret]));
    return [secret, content];
  };

  return { document: walk(document, []), problems, failed, files, literalSecrets };
}

/** `clientSecret` for `clientSecretFile`; undefined for every other key. */
function fileKeyOf(key: string): string | undefined {
  const base = key.endsWith('File') ? key.slice(0, -'File'.length) : '';
  return FILE_KEYS.has(base) ? base : undefined;
}

/** A URL counts when it has a user or a password. */
function isLiteralSecret(key: string, value: unknown): boolean {
  if (typeof value !== 'string' || value === '' || value.includes('${')) return false;
  const isUrl = key === 'proxy' || (FILE_KEYS.has(key) && !SECRET_KEYS.has(key));
  return isUrl ? /:\/\/[^/]*@/.test(value) : SECRET_KEYS.has(key) && value !== 'none';
}

function interpolate(text: string, env: Surroundings['env'], fail: (problem: string) => string): string {
  let failed = false;
  const result = text.replace(/\$\$\{|\$\{([^}]*)\}?/g, (match, name: string | undefined) => {
    if (match === '$${') return '${';
    if (name === undefined || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || !match.endsWith('}')) {
      failed = true;
      return fail('has "${" without the name of an environment variable and "}"; write $${ for a literal "${"');
    }
    const value = ownValue(env, name);
    if (value !== undefined && value !== '') return value;
    failed = true;
    return fail(`needs the environment variable ${name}, which is not set or empty; set it, or write the value here`);
  });
  return failed ? LEFT_OUT : result;
}

function readSecret(path: string, fail: (problem: string) => string): string {
  let content: string;
  try {
    content = readFileSync(path, 'utf8').trim();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return fail(`names ${path}, which cannot be read (${code}); create it or correct the path`);
  }
  return content === '' ? fail(`names ${path}, which is empty; write the secret into it`) : content;
}
