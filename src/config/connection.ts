/** What every connection has, whatever its platform: keys in the file, and what becomes of them. */
import { z } from 'zod';
import type { JsonValue } from '../model.ts';
import { yesOrNo } from './fields.ts';
import { proxyField } from './proxy.ts';

/** What a platform's schema makes of its keys. */
export interface ConfiguredConnection {
  readonly id: string;
  readonly platform: string;
  readonly enabled: boolean;
  readonly lateReply: 'active' | 'drop';
  /** For the adapter: JSON, no secret, also stored in Redis. */
  readonly options: { readonly [key: string]: JsonValue };
  /** By name; they stay in the process. Their keys stand in secret-keys.ts, too. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly proxy: string | undefined;
  /** By key: where secrets travel to, for a warning about http. */
  readonly urls: Readonly<Record<string, string>>;
}

const CONNECTION_ID_PATTERN = /^[a-z][a-z0-9-]{0,62}$/;

/** @param example - a name for the error texts, such as `qq-main` */
export function connectionKeys(example: string) {
  return {
    id: z
      .string({ error: `is missing; add a name such as id: ${example}` })
      .regex(CONNECTION_ID_PATTERN, {
        error: `must start with a-z and have at most 63 of a-z, 0-9 and "-", for example ${example}`,
      })
      .describe('Name of the connection, stable over its life.'),
    enabled: yesOrNo(true, 'Whether the connection should run.'),
    proxy: proxyField,
  };
}
