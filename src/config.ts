/**
 * The configuration of a Holdfast process, and the only reader of `process.env`.
 *
 * A file (`--config`, `HOLDFAST_CONFIG`, or holdfast.yaml in the working directory) or, without one, a few well-known
 * environment variables. Everything is checked at once, before anything starts: one line per problem, each naming the
 * key, the problem and the fix, and never a value. docs/configuration.md lists all keys.
 */
import { createHash } from 'node:crypto';
import { isAbsolute, join } from 'node:path';
import type { z } from 'zod';
import type { AgentConfig } from './config/agent.ts';
import { type AlertsConfig, alertSecrets, alertsConfig } from './config/alerts.ts';
import type { AllowedHosts } from './config/allowed-hosts.ts';
import type { ConfiguredConnection } from './config/connection.ts';
import { type ConfigDocument, findDocument } from './config/document.ts';
import { type HttpConfig, httpConfig, httpWarnings, tokenOf } from './config/http.ts';
import { keyPath, problemLines } from './config/problems.ts';
import { type RecordContent, recordMac } from './config/record-mac.ts';
import { pathId, type Resolved, resolveReferences } from './config/references.ts';
import { checkDefinition, type RuntimeBounds, resolveDefinition, runtimeBounds } from './config/runtime.ts';
import { configSchema, type ParsedConfig } from './config/schema.ts';
import type { Timings } from './config/timings.ts';
import { ConfigError } from './errors.ts';
import { hostPort, readProxy, secretsIn } from './http/proxy/proxy-url.ts';
import { environmentProblems, PROXY_VARIABLES, type ProxyEnvironment } from './http/proxy/route.ts';
import type { LogLevel } from './log.ts';
import { type ConnectionId, connectionId, ownValue } from './model.ts';
import { registerSecret } from './text/known-secrets.ts';

export type { AgentConfig } from './config/agent.ts';
export type { AlertSinkConfig, AlertsConfig } from './config/alerts.ts';
export { type HttpAccess, type HttpConfig, localUrl } from './config/http.ts';
export type { RuntimeBounds } from './config/runtime.ts';
export type { Timings } from './config/timings.ts';

export interface Config {
  /** Path of the file, or `environment variables`. */
  readonly source: string;
  /** Path of the file; `null` when the environment alone configures. */
  readonly file: string | null;
  /** That file, and those with secrets that it names: whoever watches them learns of every change. */
  readonly files: readonly string[];
  /** Keys of that file whose secrets stand in it as they are. */
  readonly literalSecrets: readonly string[];
  readonly redis: {
    /** `null`: the embedded Redis. */
    readonly url: string | null;
    /** Who knows where the master is that `url` names; `null`: `url` is where Redis is. */
    readonly sentinels: readonly SentinelAddress[] | null;
    readonly prefix: string;
    /** Of the embedded Redis. */
    readonly appendfsync: 'always' | 'everysec';
    /** Of the embedded Redis; `null`: by the machine. */
    readonly maxMemoryBytes: number | null;
  };
  readonly log: { readonly level: LogLevel };
  readonly timings: Timings;
  readonly access: 'open';
  readonly agent: AgentConfig;
  /** Holds secrets: never leaves the process. */
  readonly alerts: AlertsConfig;
  /** `null`: the web role is switched off. */
  readonly http: HttpConfig | null;
  readonly connections: readonly ConnectionConfig[];
  /** For connections that are added while it runs. */
  readonly runtime: RuntimeBounds;
  /** HTTPS_PROXY and its like, for connections without a proxy of their own. May hold passwords: never leaves the process. */
  readonly proxyEnvironment: ProxyEnvironment;
  /**
   * One protection that a demonstration switches off (`HOLDFAST_SABOTAGE`), to show what it prevents; `null` in service.
   */
  readonly sabotage: 'cursor' | 'dedupe' | 'fence' | null;
  /** To be logged once at start: legal, and probably not what was meant. */
  readonly warnings: readonly string[];
}

interface SentinelAddress {
  readonly host: string;
  readonly port: number;
}

export interface ConnectionConfig {
  readonly id: ConnectionId;
  readonly platform: string;
  readonly enabled: boolean;
  readonly lateReply: 'active' | 'drop';
  /** JSON without secrets; goes to Redis. */
  readonly options: ConfiguredConnection['options'];
  /** Never leaves the process. Empty when loaded without secrets. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Changes when options or secrets change. Means nothing when loaded without secrets. */
  readonly fingerprint: string;
  /** Of its record in Redis, see {@link isRecordOf}. Means nothing when loaded without secrets. */
  readonly mac: string;
}

/** Whether somebody with the secrets of `own` wrote this, and nobody changed it since. */
export function isRecordOf(
  own: ConnectionConfig,
  record: RecordContent & { readonly mac?: string | undefined },
): boolean {
  return record.mac !== undefined && record.mac === recordMac(record, own.secrets);
}

export interface LoadOptions {
  /** `--config`. */
  readonly file?: string | undefined;
  /** @defaultValue the process's working directory */
  readonly cwd?: string;
  /** @defaultValue `process.env` */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /**
   * `unneeded`: for commands that only look (status): secrets are not looked up, so their variables need not be set, and a
   * missing configuration is no error.
   *
   * @defaultValue `'needed'`
   */
  readonly secrets?: 'needed' | 'unneeded';
}

/**
 * The folder in which programs of this user keep what is neither configuration nor data. `null`: this user has none.
 *
 * @see https://specifications.freedesktop.org/basedir-spec/latest/ ($XDG_STATE_HOME, `~/.local/state` without it; relative
 *   paths are to be ignored), read 2026-11-30
 */
export function stateHome(env: LoadOptions['env'] = process.env): string | null {
  const { XDG_STATE_HOME: named = '', HOME: home = '' } = env;
  if (isAbsolute(named)) return named;
  return isAbsolute(home) ? join(home, '.local', 'state') : null;
}

/**
 * Loads and checks the configuration, and registers its secrets with the logger.
 *
 * @throws ConfigError with all problems
 */
export function loadConfig(options: LoadOptions = {}): Config {
  const { file, cwd = process.cwd(), env = process.env, secrets = 'needed' } = options;
  const found = findDocument(file, cwd, env);
  const resolved = resolveReferences(found.document, {
    env,
    baseDir: found.baseDir,
    withSecrets: secrets === 'needed',
    literal: found.variables.size > 0,
  });
  const parsed = configSchema.safeParse(resolved.document);
  const problems = [...resolved.problems, ...schemaProblems(parsed.error, resolved)];
  if (secrets === 'needed' && isEmpty(found)) problems.push(nothingConfigured(cwd));
  const proxyEnvironment = secrets === 'needed' ? proxyVariables(env) : {};
  // A variable that nobody reads is nobody's problem.
  if (parsed.data?.connections.some(({ proxy }) => proxy === undefined)) {
    problems.push(...environmentProblems(proxyEnvironment));
  }
  if (problems.length > 0 || parsed.data === undefined) {
    throw new ConfigError(problems.map((line) => inTermsOf(found.variables, env, line)));
  }
  if (secrets === 'needed') {
    for (const secret of secretsOf(parsed.data)) registerSecret(secret);
    for (const value of Object.values(proxyEnvironment))
      for (const secret of secretsIn(value ?? '')) registerSecret(secret);
  }
  const built = build(parsed.data, found, secrets === 'needed', proxyEnvironment);
  const files = [...(built.file === null ? [] : [built.file]), ...resolved.files];
  const literalSecrets = built.file === null ? [] : resolved.literalSecrets;
  return { ...built, files, literalSecrets, proxyEnvironment, sabotage: sabotageOf(env) };
}

/**
 * A connection that somebody wants to add while it runs, checked, its secrets left out.
 *
 * @throws ConfigError one line per problem; none repeats a value
 */
export function checkRuntimeConnection(given: unknown, bounds: RuntimeBounds): ConnectionConfig {
  return splitConnection(checkDefinition(given, bounds), false);
}

/**
 * The same with its secrets, which are registered with the logger.
 *
 * @throws ConfigError when this process has no such variable or file, or may not use it
 */
export function resolveRuntimeConnection(given: unknown, bounds: RuntimeBounds, env = process.env): ConnectionConfig {
  const connection = resolveDefinition(given, bounds, env);
  for (const secret of connectionSecrets(connection)) registerSecret(secret);
  return splitConnection(connection, true);
}

function proxyVariables(env: NonNullable<LoadOptions['env']>): ProxyEnvironment {
  return Object.fromEntries(
    PROXY_VARIABLES.flatMap((name) => (ownValue(env, name) ? [[name, ownValue(env, name)]] : [])),
  );
}

/** What the schema says, less what only follows from a reference that failed. */
function schemaProblems(error: z.ZodError | undefined, { document, failed }: Resolved): string[] {
  if (error === undefined) return [];
  const own = error.issues.filter(({ path }) => !failed.has(pathId(path)));
  return problemLines(own, document);
}

function isEmpty({ variables, document }: ConfigDocument): boolean {
  return variables.size > 0 && (document as { connections: unknown[] }).connections.length === 0;
}

function nothingConfigured(cwd: string): string {
  return `no configuration: create holdfast.yaml in ${cwd} (see docs/configuration.md), pass --config FILE, or set TELEGRAM_BOT_TOKEN, or QQ_APP_ID and QQ_CLIENT_SECRET`;
}

/** Problems of a configuration made of environment variables name the variable instead of a key nobody wrote. */
function inTermsOf(variables: ConfigDocument['variables'], env: LoadOptions['env'], line: string): string {
  for (const [key, variable] of variables) {
    if (!line.startsWith(`${key}: `)) continue;
    if (ownValue(env ?? {}, variable)) return `${variable}: ${line.slice(key.length + 2)}`;
    return `${variable}: is not set or empty; set it, or create holdfast.yaml`;
  }
  return line;
}

function sabotageOf(env: NonNullable<LoadOptions['env']>): Config['sabotage'] {
  const wish = env.HOLDFAST_SABOTAGE;
  if (wish === undefined || wish === '') return null;
  if (wish === 'cursor' || wish === 'dedupe' || wish === 'fence') return wish;
  throw new ConfigError([
    'HOLDFAST_SABOTAGE: must be cursor, dedupe or fence, and set only in a demonstration; unset it',
  ]);
}

function build(
  parsed: ParsedConfig,
  found: ConfigDocument,
  withSecrets: boolean,
  env: ProxyEnvironment,
): Omit<Config, 'files' | 'literalSecrets' | 'sabotage' | 'proxyEnvironment'> {
  const agent = parsed.agent;
  return {
    source: found.source,
    file: found.variables.size > 0 ? null : found.source,
    redis: {
      ...parsed.redis,
      url: parsed.redis.url ?? null,
      sentinels: parsed.redis.sentinels ?? null,
      maxMemoryBytes: parsed.redis.maxMemoryBytes ?? null,
    },
    log: parsed.log,
    timings: parsed.timings,
    access: parsed.access,
    agent: withSecrets ? agent : withoutSecrets(agent),
    alerts: alertsConfig(parsed.alerts),
    http: httpConfig(parsed.http, withSecrets),
    runtime: runtimeBounds(parsed.runtime, found.baseDir, placesOf(parsed, withSecrets ? env : null)),
    connections: parsed.connections.map((connection) => splitConnection(connection, withSecrets)),
    warnings: [...found.warnings, ...warningsAbout(parsed, found.document)],
  };
}

/** Hosts that the file itself names, which connections added at run time may therefore use as well. */
function placesOf({ connections }: ParsedConfig, env: ProxyEnvironment | null): Omit<AllowedHosts, 'listed'> {
  const used = connections.flatMap(({ urls }) => Object.values(urls).map((url) => new URL(url).origin));
  const origins = [...new Set(used)].sort();
  if (env === null) return { origins, proxies: null };
  const written = [...connections.map(({ proxy }) => proxy), ...Object.values(env)];
  const proxies = written.flatMap((text) => {
    const read = readProxy(text ?? 'direct');
    return read.kind === 'proxy' ? [hostPort(read.proxy.host, read.proxy.port)] : [];
  });
  return { origins, proxies: [...new Set(proxies)].sort() };
}

function withoutSecrets(agent: AgentConfig): AgentConfig {
  switch (agent.kind) {
    case 'echo':
      return agent;
    case 'openai': {
      const { apiKey: _, ...rest } = agent;
      return rest;
    }
    case 'webhook':
      return { ...agent, secret: '' };
    default:
      return agent satisfies never;
  }
}

function splitConnection(connection: ConfiguredConnection, withSecrets: boolean): ConnectionConfig {
  const { id, platform, enabled, options, lateReply, proxy } = connection;
  // It may hold a password.
  const secrets = { ...connection.secrets, ...(proxy === undefined ? {} : { proxy }) };
  const fingerprint = createHash('sha256')
    .update(JSON.stringify([platform, options, ...Object.values(secrets)]))
    .digest('hex');
  return {
    id: connectionId(id),
    platform,
    enabled,
    lateReply,
    options,
    secrets: withSecrets ? secrets : {},
    fingerprint: fingerprint.slice(0, 16),
    mac: withSecrets ? recordMac(connection, secrets) : '',
  };
}

/** Names of Redis users that everybody guesses, and that stand in innocent lines. */
const OPEN_NAMES: ReadonlySet<string> = new Set(['default', 'holdfast']);

function* secretsOf({ redis, agent, alerts, http, connections }: ParsedConfig): Generator<string> {
  if (redis.url !== undefined) {
    const { username, password } = new URL(redis.url);
    for (const part of [username, password]) if (!OPEN_NAMES.has(part)) yield* [part, decodeURIComponent(part)];
  }
  if (agent.kind === 'openai' && agent.apiKey !== undefined) yield agent.apiKey;
  if (agent.kind === 'webhook') yield agent.secret;
  yield tokenOf(http) ?? '';
  yield* alertSecrets(alerts.sinks);
  for (const connection of connections) yield* connectionSecrets(connection);
}

function* connectionSecrets({ secrets, proxy }: ConfiguredConnection): Generator<string> {
  yield* Object.values(secrets);
  yield* secretsIn(proxy ?? '');
}

function* warningsAbout(
  { redis, agent, alerts, access, http, connections }: ParsedConfig,
  document: unknown,
): Generator<string> {
  yield* httpWarnings(http);
  if (connections.length === 0) yield 'connections: none is configured, so nothing will be held';
  for (const key of redis.url === undefined ? [] : ['appendfsync', 'maxMemoryBytes']) {
    if (!hasKey(document, 'redis', key)) continue;
    yield `redis.${key}: belongs to the embedded Redis, and does nothing beside redis.url`;
  }
  if (access === 'open' && agent.kind !== 'echo') {
    yield 'access: open, so everyone who can write to the bot reaches the agent';
  }
  if (isOpenRedis(redis)) {
    yield 'redis.url: messages and the password travel unencrypted; use rediss://, or a network of its own';
  }
  if (agent.kind !== 'echo' && isOpenHttp(agent.url)) yield 'agent.url: messages and key travel unencrypted; use https';
  for (const [index, sink] of alerts.sinks.entries()) {
    if (sink.kind === 'webhook' && isOpenHttp(sink.url)) {
      yield `alerts.sinks[${index}].url: what is wrong travels unencrypted; use https`;
    }
    if (sink.kind === 'slack' && URL.canParse(sink.webhookUrl) && isOpenHttp(sink.webhookUrl)) {
      yield `alerts.sinks[${index}].webhookUrl: the URL, which is the secret, travels unencrypted; use https`;
    }
  }
  for (const [index, { urls }] of connections.entries()) {
    for (const [key, url] of Object.entries(urls)) {
      const path = keyPath(['connections', index, key], document);
      if (isOpenHttp(url)) yield `${path}: the bot's secrets travel unencrypted; use https`;
    }
  }
}

function hasKey(document: unknown, group: string, key: string): boolean {
  const inner = ownValue(document as Record<string, unknown>, group);
  return typeof inner === 'object' && inner !== null && Object.hasOwn(inner, key);
}

function isOpenHttp(input: string): boolean {
  const { protocol, hostname } = new URL(input);
  return protocol === 'http:' && !isThisMachine(hostname);
}

function isOpenRedis({ url, sentinels }: ParsedConfig['redis']): boolean {
  if (url === undefined) return false;
  const { protocol, hostname } = new URL(url);
  const hosts = sentinels?.map(({ host }) => host) ?? [hostname];
  return protocol === 'redis:' && !hosts.every(isThisMachine);
}

function isThisMachine(host: string): boolean {
  return /^(?:localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[?::1\]?)$/.test(host);
}
