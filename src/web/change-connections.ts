/** Connections are added, changed and removed over HTTP: whoever adds one names a secret and the host that it is sent to. */
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { ConfigError } from '../errors.ts';
import type { JsonValue } from '../model.ts';
import type { WriteMode, Written } from '../state/runtime-connections.ts';
import { askRedis } from './ask-redis.ts';
import { HttpProblem, problem, refusals } from './problem.ts';

/** @throws ConfigError one line per problem with what was given */
export interface ConnectionDesk {
  write(given: unknown, mode: WriteMode): Promise<Written>;
  change(id: string, keys: Keys): Promise<Written>;
  remove(id: string): Promise<Written>;
}

export interface ChangeOptions {
  readonly desk: ConnectionDesk;
  readonly timings: { readonly renewEveryMs: number; readonly sweepEveryMs: number };
  readonly signal: AbortSignal;
}

type Keys = Readonly<Record<string, JsonValue>>;

const byId = z.strictObject({ id: z.string().min(1).max(64) });
const keys = z
  .record(z.string().max(64), z.unknown())
  .describe(
    'Keys of a connection as in the configuration file. Secrets are references: a variable as in the file, or …File.',
  );

const writtenSchema = z
  .strictObject({
    id: z.string(),
    done: z.enum(['added', 'replaced', 'removed']),
    withinMs: z.int().describe('It takes effect within this, ms, while workers and a scheduler run.'),
  })
  .meta({ id: 'Written' });

const response = {
  202: writtenSchema,
  400: problem('The connection is wrong; `errors` has a line for each value.'),
  403: problem('There is no admin token, or another site may not ask for it.'),
  404: problem('No such connection.'),
  409: problem('There is one of this id already, or it belongs to the configuration file.'),
  ...refusals,
};

export function installConnectionChanges(root: FastifyInstance, options: ChangeOptions): void {
  const app = root.withTypeProvider<ZodTypeProvider>();
  const { desk, timings, signal } = options;
  const withinMs = Math.max(timings.renewEveryMs, timings.sweepEveryMs);
  const tags = ['connections'];

  const carryOut = async (id: string, ip: string, run: () => Promise<Written>) => {
    const done = await askRedis(signal, run).catch((error: unknown) => {
      throw error instanceof ConfigError ? wrong(error) : error;
    });
    if (done !== 'added' && done !== 'replaced' && done !== 'removed') throw refusal(id, done);
    root.log.info({ event: 'web.asked', connection: id, verb: done, address: ip }, `connection ${done}`);
    return { id, done, withinMs };
  };

  app.post(
    '/api/connections',
    { schema: { summary: 'Add a connection', tags, body: keys, response } },
    async ({ body, ip }, reply) =>
      await reply.code(202).send(await carryOut(String(body.id), ip, () => desk.write(body, 'add'))),
  );
  app.put(
    '/api/connections/:id',
    { schema: { summary: 'Add it, or give it other keys altogether', tags, params: byId, body: keys, response } },
    async ({ params: { id }, body, ip }, reply) => {
      if ('id' in body && body.id !== id)
        throw new HttpProblem(400, 'the id in the path and the one in the body differ');
      return await reply.code(202).send(await carryOut(id, ip, () => desk.write({ ...body, id }, 'put')));
    },
  );
  app.patch(
    '/api/connections/:id',
    { schema: { summary: 'Change some of its keys; null removes one', tags, params: byId, body: keys, response } },
    async ({ params: { id }, body, ip }, reply) =>
      await reply.code(202).send(await carryOut(id, ip, () => desk.change(id, body as Keys))),
  );
  app.delete(
    '/api/connections/:id',
    {
      schema: { summary: 'Remove it; waiting messages stay, and go on when it returns', tags, params: byId, response },
    },
    async ({ params: { id }, ip }, reply) => await reply.code(202).send(await carryOut(id, ip, () => desk.remove(id))),
  );
}

function wrong({ problems }: ConfigError): HttpProblem {
  const errors = problems.map((line) => {
    const colon = line.indexOf(': ');
    return { path: colon === -1 ? '' : `/${line.slice(0, colon)}`, message: line.slice(colon + 2) };
  });
  return new HttpProblem(400, `the connection is wrong: ${problems.join('; ')}`, {}, errors);
}

function refusal(id: string, why: Exclude<Written, 'added' | 'replaced' | 'removed'>): HttpProblem {
  switch (why) {
    case 'exists':
      return new HttpProblem(409, `there is a connection "${id}" already; PUT or PATCH changes it`);
    case 'configured':
      return new HttpProblem(409, `connection "${id}" belongs to the configuration file; change it there`);
    case 'unknown':
      return new HttpProblem(404, `there is no connection "${id}"; GET /api/connections names them`);
    default:
      return why satisfies never;
  }
}
