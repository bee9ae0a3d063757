/** The API: the status document, and what an operator may ask for. The command line does the same by the same functions. */
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { askConnection, VERBS, type Verb } from '../state/ask.ts';
import { acceptData } from '../state/data-loss.ts';
import { listDeadMessages, retryDeadMessage } from '../state/dead-messages.ts';
import { chainHealthOf, chainWithoutRedis } from '../status/chain-health.ts';
import { readConnectionDetail } from '../status/connection-detail.ts';
import type { StatusTimings } from '../status/read.ts';
import { readStatus } from '../status/read-status.ts';
import { askRedis } from './ask-redis.ts';
import { type ConnectionDesk, installConnectionChanges } from './change-connections.ts';
import { HttpProblem, problem, refusals } from './problem.ts';
import { installPush, type PushApiOptions } from './push-api.ts';
import {
  acceptedSchema,
  askedSchema,
  chainHealthSchema,
  connectionDetailSchema,
  connectionsSchema,
  deadMessagesSchema,
  handoffBodySchema,
  retriedSchema,
  statusSchema,
} from './schemas.ts';
import type { Sessions } from './session.ts';

export interface ApiOptions extends PushApiOptions {
  readonly timings: StatusTimings;
  readonly desk: ConnectionDesk;
  /** `null`: nobody logs in, since there is no token. */
  readonly sessions: Sessions | null;
}

const SUMMARIES: Readonly<Record<Verb, string>> = {
  pause: 'Take it down until it is resumed; the platform keeps the session',
  resume: 'Let a paused or parked connection run',
  restart: 'Start it afresh (its session is kept); also ends a parking',
  handoff: 'Move it to another worker without losing its session',
};

const byId = z.strictObject({ id: z.string().min(1).max(64) });

export function installApi(root: FastifyInstance, options: ApiOptions): void {
  const app = root.withTypeProvider<ZodTypeProvider>();
  const { client, keys, timings, signal } = options;
  const status = () => askRedis(signal, () => readStatus(client, keys, timings));

  app.get(
    '/api/status',
    {
      schema: {
        summary: 'What every connection does, by evidence',
        tags: ['status'],
        response: { 200: statusSchema, ...refusals },
      },
    },
    status,
  );
  app.get(
    '/api/health/chain',
    {
      schema: {
        summary: 'Whether people are answered: received, stored, turn, answer, sent',
        description: '503 with the same document while a link is failing, also while Redis does not answer.',
        tags: ['health'],
        response: { 200: chainHealthSchema, 401: refusals[401], 503: chainHealthSchema },
      },
    },
    async (_request, reply) => {
      const health = await status().then(chainHealthOf, (error: unknown) => chainWithoutRedis(error, Date.now()));
      return await reply.code(health.state === 'failing' ? 503 : 200).send(health);
    },
  );
  app.get(
    '/api/connections',
    {
      schema: {
        summary: 'The connections of the status document',
        tags: ['connections'],
        response: { 200: connectionsSchema, ...refusals },
      },
    },
    async () => (await status()).connections,
  );
  app.get(
    '/api/connections/:id',
    {
      schema: {
        summary: 'One connection, with its history, its last log lines and errors',
        tags: ['connections'],
        params: byId,
        response: { 200: connectionDetailSchema, 404: problem('No such connection.'), ...refusals },
      },
    },
    async ({ params: { id } }) => {
      const connection = (await status()).connections.find((one) => one.id === id);
      if (connection === undefined) throw unknownConnection(id);
      return await askRedis(signal, () => readConnectionDetail(client, keys, connection));
    },
  );
  for (const verb of VERBS) installVerb(root, verb, options);
  installConnectionChanges(root, options);
  installDeadMessages(root, options);
  installPush(root, options);
}

function installVerb(root: FastifyInstance, verb: Verb, { client, keys, timings, signal }: ApiOptions): void {
  const withinMs = Math.max(timings.renewEveryMs, timings.sweepEveryMs);
  root.withTypeProvider<ZodTypeProvider>().post(
    `/api/connections/:id/${verb}`,
    {
      schema: {
        summary: SUMMARIES[verb],
        tags: ['connections'],
        params: byId,
        body: verb === 'handoff' ? handoffBodySchema : z.strictObject({}).nullish(),
        response: {
          202: askedSchema,
          400: problem('The request is wrong.'),
          403: problem('There is no admin token, or another site may not ask for it.'),
          404: problem('No such connection.'),
          409: problem('No other worker could take it.'),
          ...refusals,
        },
      },
    },
    async ({ params: { id }, body, log, ip }, reply) => {
      const target = body != null && 'to' in body ? (body.to ?? null) : null;
      const asked = await askRedis(signal, () => askConnection(client, keys, id, verb, target));
      switch (asked.kind) {
        case 'unknown':
          throw unknownConnection(id);
        case 'refused':
          throw new HttpProblem(409, `${id}: ${asked.reason}`);
        case 'asked':
          log.info({ event: 'web.asked', connection: id, verb, target, address: ip }, `${verb} asked for`);
          return await reply.code(202).send({ id, asked: verb, withinMs });
        default:
          return asked satisfies never;
      }
    },
  );
}

function installDeadMessages(root: FastifyInstance, { client, keys, signal }: ApiOptions): void {
  const app = root.withTypeProvider<ZodTypeProvider>();
  app.get(
    '/api/messages/dead',
    {
      schema: {
        summary: 'Dead letters and sends with an unknown outcome, with their text; the newest 100 per connection',
        tags: ['messages'],
        response: { 200: deadMessagesSchema, ...refusals },
      },
    },
    () => askRedis(signal, () => listDeadMessages(client, keys)),
  );

  app.post(
    '/api/data/accept',
    {
      schema: {
        summary: 'Go on with what Redis has, after it began empty, with other data or with older ones',
        tags: ['status'],
        response: { 200: acceptedSchema, ...refusals },
      },
    },
    async () => {
      const loss = await askRedis(signal, () => acceptData(client, keys));
      root.log.info({ event: 'web.asked', verb: 'accept-data' }, 'what Redis has is accepted');
      return { accepted: loss?.reason ?? null };
    },
  );

  const retry = async (id: string): Promise<z.output<typeof retriedSchema>> => {
    const done = await askRedis(signal, () => retryDeadMessage(client, keys, id));
    if (!done) throw new HttpProblem(404, `there is no dead letter "${id}"; GET /api/messages/dead names them`);
    root.log.info({ event: 'web.asked', letter: id, verb: 'retry' }, 'another try asked for');
    return { id, retried: true };
  };
  const response = { 202: retriedSchema, 404: problem('No such letter.'), ...refusals };
  const summary = 'Put one back into its conversation';
  app.post(
    '/api/messages/dead/:connection/:letter/retry',
    {
      schema: {
        summary,
        tags: ['messages'],
        params: z.strictObject({ connection: z.string().max(64), letter: z.string().max(64) }),
        response,
      },
    },
    async ({ params: { connection, letter } }, reply) =>
      await reply.code(202).send(await retry(`${connection}/${letter}`)),
  );
  // The same for those who encode the slash of the id.
  app.post(
    '/api/messages/dead/:id/retry',
    { schema: { hide: true, params: z.strictObject({ id: z.string().max(130) }), response } },
    async ({ params: { id } }, reply) => await reply.code(202).send(await retry(id)),
  );
}

function unknownConnection(id: string): HttpProblem {
  return new HttpProblem(404, `there is no connection "${id}"; GET /api/connections names them`);
}
