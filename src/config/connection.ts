/** What every connection has, whatever its platform. */
import { z } from 'zod';
import { yesOrNo } from './fields.ts';

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
  };
}
