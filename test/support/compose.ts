/** Reads a compose file as far as ours go: merge keys, `${NAME:-default}`, configs and secrets from files, replicas. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { ROOT } from './image.ts';

export interface ComposeService {
  readonly name: string;
  readonly image: string;
  /** Empty: what the image says. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Absolute path inside → name of the config or secret, as the top level lists it. */
  readonly files: Readonly<Record<string, string>>;
  readonly tmpfs: readonly string[];
  /** Absolute path inside → name of the volume. */
  readonly volumes: Readonly<Record<string, string>>;
  /** Absolute path inside → folder of the host, relative to the compose file. */
  readonly folders: Readonly<Record<string, string>>;
  /** Empty: what the image says. */
  readonly healthcheck: readonly string[];
  readonly replicas: number;
  readonly graceMs: number;
}

export interface Compose {
  readonly services: readonly ComposeService[];
  /** Name of a config or secret → its file, relative to the compose file. */
  readonly sources: Readonly<Record<string, string>>;
}

// biome-ignore lint/suspicious/noExplicitAny: the schema is checked by a test of its own
type Loose = any;

export function readCompose(path: string, env: Readonly<Record<string, string>> = {}): Compose {
  const document: Loose = interpolated(parse(readFileSync(join(ROOT, path), 'utf8'), { merge: true }), env);
  const sources = Object.entries({ ...document.configs, ...document.secrets } as Record<string, { file: string }>);
  return {
    services: Object.entries(document.services as Record<string, Loose>).map(([name, each]) => service(name, each)),
    sources: Object.fromEntries(sources.map(([name, { file }]) => [name, file])),
  };
}

/** Every text with its variables filled in; an empty one stays a text. */
function interpolated(value: Loose, env: Readonly<Record<string, string>>): Loose {
  if (typeof value === 'string') {
    return value.replace(/\$\{(\w+):-([^}]*)\}/g, (_whole, name: string, otherwise: string) => env[name] || otherwise);
  }
  if (Array.isArray(value)) return value.map((each) => interpolated(each, env));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, interpolated(each, env)]));
}

function service(name: string, each: Loose): ComposeService {
  const configs = (each.configs ?? []).map(({ source, target }: Loose) => [target, source]);
  const secrets = (each.secrets ?? []).map((secret: string) => [`/run/secrets/${secret}`, secret]);
  const named = (each.volumes ?? []).filter((entry: Loose) => typeof entry === 'string');
  const binds = (each.volumes ?? []).filter((entry: Loose) => entry.type === 'bind');
  return {
    name,
    image: each.image,
    command: each.command ?? [],
    env: each.environment ?? {},
    files: Object.fromEntries([...configs, ...secrets]),
    tmpfs: (each.tmpfs ?? []).map((entry: string) => entry.split(':')[0]),
    volumes: Object.fromEntries(named.map((entry: string) => entry.split(':').reverse())),
    folders: Object.fromEntries(binds.map(({ source, target }: Loose) => [target, source])),
    healthcheck: check(each.healthcheck?.test),
    replicas: each.deploy?.replicas ?? 1,
    graceMs: Number(/^(\d+)s$/.exec(each.stop_grace_period)?.[1]) * 1_000,
  };
}

function check([kind, ...rest]: readonly string[] = []): readonly string[] {
  return kind === 'CMD-SHELL' ? ['sh', '-c', rest[0] ?? ''] : rest;
}
