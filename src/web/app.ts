/**
 * The web application: health checks for everyone, and behind the guard the API, metrics and Bull Board. It judges nothing
 * and holds nothing: all it shows is read from Redis when it is asked for.
 */
import type { RequestListener } from 'node:http';
import cookie from '@fastify/cookie';
import helmet from '@fastify/helmet';
import swagger from '@fastify/swagger';
import fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyPluginAsync, LogController } from 'fastify';
import {
  jsonSchemaTransform,
  jsonSchemaTransformObject,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import type { Logger } from 'pino';
import { controllerForMany } from '../async/abort.ts';
import type { Keys } from '../state/keys.ts';
import type { RedisClient } from '../state/redis.ts';
import type { StatusTimings } from '../status/read.ts';
import { type ApiOptions, installApi } from './api.ts';
import type { ConnectionDesk } from './change-connections.ts';
import { type Access, createGuard, createTokenCheck, type Door } from './guard.ts';
import type { Listener } from './listener.ts';
import { installLive } from './live.ts';
import { installLogin } from './login.ts';
import { installPageFiles, installPages, readPageAssets } from './pages.ts';
import { installProblems, refuseUnread } from './problem.ts';
import { installQueueBoard, type Queues } from './queue-board.ts';
import { createReadiness, type ReadinessOptions } from './readiness.ts';
import { healthSchema, readinessSchema } from './schemas.ts';
import { Sessions, sessionKey } from './session.ts';

export interface WebOptions extends Pick<ReadinessOptions, 'worker' | 'holdsConnections' | 'started'> {
  readonly listener: Listener;
  readonly access: Access;
  /** One whose commands end by themselves. */
  readonly client: RedisClient;
  readonly keys: Keys;
  readonly queues: Queues;
  readonly timings: StatusTimings;
  /** Adds, changes and removes connections. */
  readonly desk: ConnectionDesk;
  /** Whether a conversation of this name can be a chat of `platform`. */
  readonly namesChat: (platform: string, conversation: string) => boolean;
  /** Of this package, for the OpenAPI document. */
  readonly version: string;
  readonly metrics?: MetricsSource;
  readonly log: Logger;
}

export interface MetricsSource {
  readonly contentType: string;
  render(signal: AbortSignal): Promise<string>;
}

export interface Web {
  /** Stops listening; requests in hand are answered for a moment. Safe to call twice. */
  close(): Promise<void>;
}

const BODY_LIMIT = 64 * 1024;
/** Whatever takes longer is answered with 503, ms. */
const ANSWER_MS = 5_000;

/** What is no page needs nothing at all. */
const POLICY = { useDefaults: false, directives: { 'default-src': ["'none'"], 'frame-ancestors': ["'none'"] } };

/** Resolves when `listener` is answered by the application. */
export async function serveWeb(options: WebOptions): Promise<Web> {
  const { listener, access, client, keys, log } = options;
  const ended = controllerForMany();
  let handler: RequestListener = () => undefined;
  const app = fastify({
    loggerInstance: log.child({ role: 'web' }) as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT,
    frameworkErrors: refuseUnread,
    // Bull Board's own clients wait for Redis for as long as it is away.
    handlerTimeout: ANSWER_MS,
    serverFactory: (handle) => {
      handler = handle;
      return listener.server;
    },
  });
  app.setValidatorCompiler(validatorCompiler);
  // Answers have their types at compile time; checking each again would cost more than reading it.
  app.setSerializerCompiler(() => JSON.stringify);
  installProblems(app, (request) => listener.refused('slow', request.ip));
  await app.register(helmet, {
    contentSecurityPolicy: POLICY,
    // For whoever speaks TLS in front to decide.
    strictTransportSecurity: false,
    xFrameOptions: { action: 'deny' },
    referrerPolicy: { policy: 'same-origin' },
  });
  app.addHook('onSend', async (_request, reply, payload) => {
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store');
    return payload;
  });
  await app.register(swagger, openApi(options.version, access.token !== null));
  installHealth(app, createReadiness({ ...options, signal: ended.signal }));
  const assets = readPageAssets();
  await app.register(installPageFiles satisfies FastifyPluginAsync);
  const { signal } = ended;
  let door: Door | null = null;
  if (access.token !== null) {
    const { token } = access;
    const opened: Door = { check: createTokenCheck(token), sessions: new Sessions({ client, keys, signal }) };
    door = opened;
    await app.register(cookie, { secret: sessionKey(token) });
    const login: FastifyPluginAsync = (open) =>
      installLogin(open, { door: opened, token, client, keys, signal, assets });
    await app.register(login);
  }
  const guarded: FastifyPluginAsync = async (inside) => {
    inside.addHook('onRequest', createGuard(door, access));
    installPages(inside, assets, door === null ? 'read-only' : 'logged-in');
    const sessions = door?.sessions ?? null;
    await installGuarded(inside, options, { ...options, deliveries: options.queues.deliveries, sessions, signal });
  };
  await app.register(guarded);
  await app.ready();
  listener.handOver(handler);
  return {
    async close() {
      ended.abort(new Error('draining'));
      await listener.close();
      await app.close();
    },
  };
}

function installHealth(root: FastifyInstance, readiness: ReturnType<typeof createReadiness>): void {
  const app = root.withTypeProvider<ZodTypeProvider>();
  app.get(
    '/healthz',
    { schema: { summary: 'This process runs', tags: ['health'], response: { 200: healthSchema } } },
    () => ({ status: 'ok' }) as const,
  );
  app.get(
    '/readyz',
    {
      schema: {
        summary: 'This process does its work, by evidence',
        tags: ['health'],
        response: { 200: readinessSchema, 503: readinessSchema },
      },
    },
    async (_request, reply) => {
      const found = await readiness();
      return await reply.code(found.ready ? 200 : 503).send(found);
    },
  );
}

async function installGuarded(app: FastifyInstance, options: WebOptions, api: ApiOptions): Promise<void> {
  const { queues, metrics, version } = options;
  installApi(app, api);
  installLive(app, { ...api, queues: Object.values(queues), version });
  app.get('/api/openapi.json', { schema: { hide: true } }, () => app.swagger());
  if (metrics !== undefined) {
    app.get('/metrics', { schema: { hide: true } }, async (_request, reply) =>
      reply.type(metrics.contentType).send(await metrics.render(api.signal)),
    );
  }
  await installQueueBoard(app, '/admin/queues', queues);
}

function openApi(version: string, needsToken: boolean) {
  return {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Holdfast',
        version,
        description: 'The operator’s view and controls. Bad requests are answered with problem+json (RFC 9457).',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      ...(needsToken
        ? {
            components: { securitySchemes: { adminToken: { type: 'http' as const, scheme: 'bearer' } } },
            security: [{ adminToken: [] }],
          }
        : {}),
    },
    transform: jsonSchemaTransform,
    transformObject: jsonSchemaTransformObject,
  };
}
