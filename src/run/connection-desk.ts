/** Adds, changes and removes connections while Holdfast runs, for the command line and over HTTP. */
import { createHash } from 'node:crypto';
import { type ConnectionConfig, checkRuntimeConnection, type RuntimeBounds } from '../config.ts';
import { ConfigError } from '../errors.ts';
import { type ConnectionId, connectionId, type JsonValue } from '../model.ts';
import { type DesiredConnection, readDesired } from '../state/desired.ts';
import type { Keys } from '../state/keys.ts';
import type { RedisClient } from '../state/redis.ts';
import {
  removeRuntimeConnection,
  type WriteMode,
  type Written,
  writeRuntimeConnection,
} from '../state/runtime-connections.ts';

type Definition = { readonly [key: string]: JsonValue };

export class ConnectionDesk {
  readonly #client: RedisClient;
  readonly #keys: Keys;
  readonly #bounds: () => RuntimeBounds;

  constructor(client: RedisClient, keys: Keys, bounds: () => RuntimeBounds) {
    this.#client = client;
    this.#keys = keys;
    this.#bounds = bounds;
  }

  /**
   * @param given - its keys as in the configuration file; secrets by reference
   * @throws ConfigError one line per problem
   */
  async write(given: unknown, mode: WriteMode): Promise<Written> {
    const checked = checkRuntimeConnection(given, this.#bounds());
    return await writeRuntimeConnection(this.#client, this.#keys, toDesired(checked, given as Definition), mode);
  }

  /**
   * @param keys - take the place of those of the same name; `null` removes one
   * @throws ConfigError one line per problem
   */
  async change(name: string, keys: Definition): Promise<Written> {
    const id = asId(name);
    const before = id === null ? null : await readDesired(this.#client, this.#keys, id);
    if (before === null) return 'unknown';
    if (before.source !== 'runtime') return 'configured';
    if ('id' in keys && keys.id !== name)
      throw new ConfigError(['id: cannot be changed; remove it and add another one']);
    return await this.write(merged(before.definition as Definition, keys), 'replace');
  }

  async remove(name: string): Promise<Written> {
    const id = asId(name);
    return id === null ? 'unknown' : await removeRuntimeConnection(this.#client, this.#keys, id);
  }
}

/** Without secrets in it the fingerprint says which ones are meant; a changed file makes another one of it. */
function toDesired(
  { secrets: _, mac: __, fingerprint, ...rest }: ConnectionConfig,
  definition: Definition,
): DesiredConnection {
  return { ...rest, fingerprint: fingerprintOf(definition, fingerprint), source: 'runtime', definition };
}

/** @param values - names the secrets as they are now */
export function fingerprintOf(definition: JsonValue | undefined, values: string): string {
  return createHash('sha256')
    .update(JSON.stringify([definition, values]))
    .digest('hex')
    .slice(0, 16);
}

/** A secret has two keys, of which one stands: giving the one replaces the other. */
function merged(before: Definition, keys: Definition): Definition {
  const after = new Map(Object.entries(before));
  for (const [key, value] of Object.entries(keys)) {
    after.delete(key.endsWith('File') ? key.slice(0, -'File'.length) : `${key}File`);
    if (value === null) after.delete(key);
    else after.set(key, value);
  }
  return Object.fromEntries(after);
}

function asId(name: string): ConnectionId | null {
  try {
    return connectionId(name);
  } catch {
    return null;
  }
}
