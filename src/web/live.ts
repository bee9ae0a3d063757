/** What the pages show: the whole at a glance, live, and over the last day. */
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { readOverview } from '../status/overview.ts';
import type { CountedQueue } from '../status/read-snapshot.ts';
import { readTimeline } from '../status/read-timeline.ts';
import type { ApiOptions } from './api.ts';
import { askRedis } from './ask-redis.ts';
import { type EventStream, openEventStream } from './event-stream.ts';
import { createOverviewFeed } from './overview-feed.ts';
import { HttpProblem, problem, refusals } from './problem.ts';
import { overviewSchema, timelineQuerySchema, timelineSchema } from './schemas.ts';

export interface LiveOptions extends ApiOptions {
  readonly queues: readonly CountedQueue[];
  /** Of this package. */
  readonly version: string;
}

/** Browsers that watch at a time. */
const MAX_STREAMS = 50;

export function installLive(root: FastifyInstance, options: LiveOptions): void {
  const app = root.withTypeProvider<ZodTypeProvider>();
  const { client, keys, timings, sessions, signal } = options;
  const overview = () => askRedis(signal, () => readOverview(options, options.version));

  app.get(
    '/api/overview',
    {
      schema: {
        summary: 'The whole installation at a glance',
        tags: ['status'],
        response: { 200: overviewSchema, ...refusals },
      },
    },
    overview,
  );
  app.get(
    '/api/timeline',
    {
      schema: {
        summary: 'What every connection did over the last hours, minute by minute',
        tags: ['status'],
        querystring: timelineQuerySchema,
        response: { 200: timelineSchema, 400: problem('The request is wrong.'), ...refusals },
      },
    },
    ({ query: { hours, connection = null } }) =>
      askRedis(signal, () => readTimeline(client, keys, timings, { hours, connection })),
  );

  const feed = createOverviewFeed(overview, signal);
  const streams = new Set<EventStream>();
  signal.addEventListener('abort', () => {
    for (const stream of streams) stream.end();
  });
  app.get(
    '/api/events',
    {
      exposeHeadRoute: false,
      schema: {
        summary: 'The overview as it changes, as server-sent events',
        description:
          'Event `overview` has the document of /api/overview: each second while more than ages change, else every other second. Event `trouble` has `{ reason }` while it cannot be read.',
        tags: ['status'],
        response: {
          200: { description: 'A stream that does not end.', content: { 'text/event-stream': { schema: z.string() } } },
          401: refusals[401],
          503: problem('Too many watch already.'),
        },
      },
    },
    (request, reply) => {
      if (signal.aborted) throw new HttpProblem(503, 'is about to end', { 'retry-after': '1' });
      if (streams.size >= MAX_STREAMS) {
        throw new HttpProblem(503, `${MAX_STREAMS} browsers watch already: close one`, { 'retry-after': '10' });
      }
      const session = sessions?.letIn(request) ?? null;
      const stream = openEventStream(reply, {
        onEnd: () => {
          streams.delete(stream);
          stopWatching();
        },
        // Whoever showed the token itself goes on.
        isWelcome: async () => session === null || sessions === null || (await sessions.isOpen(session)),
      });
      streams.add(stream);
      const stopWatching = feed.watch((event) => stream.send(event));
    },
  );
}
