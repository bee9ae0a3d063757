/** Messages that nobody asked for: an agent, a script or an operator has something to say in a conversation. */
import { randomUUID } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Keys } from '../state/keys.ts';
import type { LaneQueue } from '../state/lane-jobs.ts';
import { pushMessage } from '../state/push-message.ts';
import type { RedisClient } from '../state/redis.ts';
import { askRedis } from './ask-redis.ts';
import { HttpProblem, problem } from './problem.ts';
import { pushedSchema, pushSchema } from './schemas.ts';

const headersSchema = z.object({
  'idempotency-key': z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe('The same key again within 7 days sends nothing. Without one, a repeated request is a second message.'),
});

export interface PushApiOptions {
  readonly client: RedisClient;
  readonly keys: Keys;
  readonly signal: AbortSignal;
  /** Whether a conversation of this name can be a chat of `platform`. */
  readonly namesChat: (platform: string, conversation: string) => boolean;
  /** Wakes conversations in which something is to be sent. */
  readonly deliveries: LaneQueue;
}

export function installPush(
  root: FastifyInstance,
  { client, keys, signal, namesChat, deliveries }: PushApiOptions,
): void {
  root.withTypeProvider<ZodTypeProvider>().post(
    '/v1/messages',
    {
      schema: {
        summary: 'Say something in a conversation, at any time',
        description:
          'Goes out in order with the replies of the conversation. What cannot be delivered becomes a dead letter.',
        tags: ['messages'],
        headers: headersSchema,
        body: pushSchema,
        response: {
          202: pushedSchema,
          400: problem('The request is wrong.'),
          401: problem('No token, or a wrong one.'),
          404: problem('No such connection.'),
          503: problem('Redis does not answer, or is full: to be repeated with the same key.'),
        },
      },
    },
    async ({ headers, body, log, ip }, reply) => {
      const key = headers['idempotency-key'] ?? randomUUID();
      const pushed = await askRedis(signal, () => pushMessage(client, keys, namesChat, deliveries, { ...body, key }));
      if (pushed.kind === 'unknown-connection') {
        throw new HttpProblem(404, `there is no connection "${body.connection}"; GET /api/connections names them`);
      }
      if (pushed.kind === 'no-chat') {
        throw new HttpProblem(
          400,
          `conversation: names no chat of ${pushed.platform}; status and events show how they are named`,
        );
      }
      const { id, kind } = pushed;
      log.info(
        { event: 'web.pushed', connection: body.connection, message: id, kind, address: ip },
        `a message was ${kind}`,
      );
      return await reply.code(202).send({ id, repeated: kind === 'repeated' });
    },
  );
}
