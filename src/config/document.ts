/** Where the configuration comes from: the file asked for, the one lying there, or well-known environment variables. */

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { LineCounter, parseDocument } from 'yaml';
import { ConfigError, type GatewayErrorOptions } from '../errors.ts';
import { ownValue } from '../model.ts';

type Env = Readonly<Record<string, string | undefined>>;

export interface ConfigDocument {
  /** For people: the file's path, or `environment variables`. */
  readonly source: string;
  /** Relative paths in the document start here. */
  readonly baseDir: string;
  readonly document: unknown;
  /** In a document made of environment variables: which variable a key came from. */
  readonly variables: ReadonlyMap<string, string>;
  readonly warnings: readonly string[];
}

/** What people set and then expect to count, also beside a file. */
const READ_WITHOUT_FILE = [
  'REDIS_URL',
  'QQ_APP_ID',
  'QQ_CLIENT_SECRET',
  'TELEGRAM_BOT_TOKEN',
  'HOLDFAST_AGENT_URL',
  'HOLDFAST_ADMIN_TOKEN',
];
const FILE_NAMES = ['holdfast.yaml', 'holdfast.yml', 'holdfast.json'];

/**
 * @param file - `--config`; goes before `HOLDFAST_CONFIG`, which goes before a file in `cwd`
 * @throws ConfigError when a file that was asked for cannot be read, or is not YAML or JSON
 */
export function findDocument(file: string | undefined, cwd: string, env: Env): ConfigDocument {
  const asked = file ?? nonEmpty(env.HOLDFAST_CONFIG);
  const path = asked === undefined ? FILE_NAMES.map((name) => join(cwd, name)).find(existsSync) : resolve(cwd, asked);
  return path === undefined ? fromEnvironment(cwd, env) : fromFile(path, env);
}

function fromFile(path: string, env: Env): ConfigDocument {
  const unread = READ_WITHOUT_FILE.filter((name) => ownValue(env, name));
  const text = readText(path);
  const ignored = unread.filter((name) => !text.includes(`\${${name}}`));
  return {
    source: path,
    baseDir: dirname(path),
    document: parse(text, path),
    variables: new Map(),
    warnings:
      ignored.length === 0
        ? []
        : [
            `${ignored.join(', ')} set in the environment, and not used: ${path} decides; refer to it there as \${NAME}`,
          ],
  };
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const fix = code === 'ENOENT' ? 'create it or correct --config or HOLDFAST_CONFIG' : 'make it a readable file';
    throw fileError(`${path}: cannot be read (${code}); ${fix}`, { cause });
  }
}

/** YAML, of which JSON is a part. Its own messages may quote the line, and with it a secret: only kind and place are told. */
function parse(text: string, path: string): unknown {
  const lines = new LineCounter();
  const yaml = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  const [first] = [...yaml.errors, ...yaml.warnings];
  if (first !== undefined) {
    const { line, col } = lines.linePos(first.pos[0]);
    const kind = first.code.toLowerCase().replaceAll('_', ' ');
    throw fileError(`${path}: is not valid YAML at line ${line}, column ${col} (${kind}); correct that line`);
  }
  let document: unknown;
  try {
    document = yaml.toJS({ maxAliasCount: 50 });
  } catch {
    throw fileError(`${path}: refers to an anchor that does not exist, or too often to one; write the values out`);
  }
  if (document === null || document === undefined) return {};
  if (typeof document === 'object' && !Array.isArray(document)) return document;
  throw fileError(`${path}: must be a group of keys such as "connections:"; see docs/configuration.md`);
}

function fileError(problem: string, options: GatewayErrorOptions = {}): ConfigError {
  return new ConfigError([problem], options);
}

function fromEnvironment(cwd: string, env: Env): ConfigDocument {
  const variables = new Map<string, string>();
  const take = (variable: string, key: string): string | undefined => {
    variables.set(key, variable);
    return nonEmpty(ownValue(env, variable));
  };
  const present = <T extends object>(group: T) =>
    Object.fromEntries(Object.entries(group).filter(([, value]) => value !== undefined));

  const appId = take('QQ_APP_ID', 'connections[0] (qq-main).appId');
  const qq = {
    appId,
    // Never left out, so that a command without need of secrets has something to leave out.
    clientSecret: take('QQ_CLIENT_SECRET', 'connections[0] (qq-main).clientSecret') ?? '',
    apiBaseUrl: take('QQ_API_BASE_URL', 'connections[0] (qq-main).apiBaseUrl'),
    tokenUrl: take('QQ_TOKEN_URL', 'connections[0] (qq-main).tokenUrl'),
  };
  const hasQq = qq.appId !== undefined || qq.clientSecret !== '';
  const at = `connections[${hasQq ? 1 : 0}] (tg-main)`;
  const telegram = {
    token: take('TELEGRAM_BOT_TOKEN', `${at}.token`),
    apiBaseUrl: take('TELEGRAM_API_BASE_URL', `${at}.apiBaseUrl`),
  };
  const agentUrl = take('HOLDFAST_AGENT_URL', 'agent.url');
  const agent = {
    kind: 'openai',
    url: agentUrl,
    apiKey: take('HOLDFAST_AGENT_KEY', 'agent.apiKey'),
    // Most servers behind such a URL serve one model and take any name.
    model: take('HOLDFAST_AGENT_MODEL', 'agent.model') ?? 'default',
  };
  return {
    source: 'environment variables',
    baseDir: cwd,
    document: {
      redis: present({ url: take('REDIS_URL', 'redis.url') }),
      ...(agentUrl === undefined ? {} : { agent: present(agent) }),
      http: present({ adminToken: take('HOLDFAST_ADMIN_TOKEN', 'http.adminToken') }),
      connections: [
        ...(hasQq ? [{ id: 'qq-main', platform: 'qq', ...present(qq) }] : []),
        ...(telegram.token === undefined ? [] : [{ id: 'tg-main', platform: 'telegram', ...present(telegram) }]),
      ],
    },
    variables,
    warnings: [],
  };
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}
