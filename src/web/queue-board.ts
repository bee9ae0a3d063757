/**
 * Bull Board: the queues as BullMQ sees them, for eyes alone. Jobs name connections and lanes, never a secret. Whoever could
 * pause, limit or empty a queue there would make the bot deaf or stop takeovers, and nothing that the board can do is needed:
 * jobs only wake what lies elsewhere, and the sweep adds those that are missing.
 */
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { FastifyAdapter } from '@bull-board/fastify';
import type { Queue } from 'bullmq';
import type { FastifyInstance, FastifyPluginAsync } from 'fastify';
import type { QueueName } from '../state/queue-settings.ts';
import { HttpProblem, sendProblem } from './problem.ts';

export type Queues = Readonly<Record<QueueName, Queue>>;

const ABOUT: Readonly<Record<QueueName, { title: string; description: string }>> = {
  connections: {
    title: 'Connections',
    description:
      'One job per connection, active for as long as somebody holds it. It only says where a connection is held; leases decide who may act.',
  },
  turns: {
    title: 'Turns',
    description:
      'One job wakes a conversation that has messages waiting for the agent. The messages themselves are in its lane; a job that is lost is added again by the next sweep.',
  },
  deliveries: {
    title: 'Deliveries',
    description:
      'One job wakes a conversation that has replies to be sent. The replies are in its outbox; a job that is lost is added again by the next sweep.',
  },
};

/** As strict as the board allows: it styles its elements from scripts. The web fonts it asks for stay outside. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "worker-src 'self' blob:",
  "base-uri 'self'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

const READING = ['GET', 'HEAD'];
const READ_ONLY =
  'the queues are read-only here: their jobs only wake conversations and connections, and the next sweep adds what is missing. "holdfast connections pause ID" takes a connection down, "holdfast messages retry ID" tries a dead letter again';

/** @param prefix - path under which the board is found, without a slash at the end */
export async function installQueueBoard(app: FastifyInstance, prefix: string, queues: Queues): Promise<void> {
  const serverAdapter = new FastifyAdapter().setBasePath(prefix);
  createBullBoard({
    queues: (Object.keys(ABOUT) as QueueName[]).map(
      (name) =>
        new BullMQAdapter(queues[name], {
          readOnlyMode: true,
          displayName: ABOUT[name].title,
          description: ABOUT[name].description,
        }),
    ),
    serverAdapter,
    options: {
      // The files of its pages are read at run time, from the package as it was installed.
      uiBasePath: dirname(createRequire(import.meta.url).resolve('@bull-board/ui/package.json')),
      uiConfig: {
        boardTitle: 'Holdfast queues',
        hideDocsLink: true,
        // Connection jobs are fetched by hand: the board would say that they have no worker.
        showWorkers: false,
      },
    },
  });
  const plugin: FastifyPluginAsync = async (board) => {
    // The board's own refusal is a key of its dictionary, and "all queues" answers 200 for none.
    board.addHook('onRequest', async ({ method }, reply) => {
      if (READING.includes(method)) return;
      return sendProblem(reply, new HttpProblem(405, READ_ONLY, { allow: READING.join(', ') }));
    });
    board.addHook('onSend', async (_request, reply, payload) => {
      reply.header('content-security-policy', POLICY);
      return payload;
    });
    await board.register(serverAdapter.registerPlugin(), { prefix });
  };
  await app.register(plugin);
}
