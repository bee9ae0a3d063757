/** The whole configuration file. Defaults live here and nowhere else. */
import { z } from 'zod';
import { LOG_LEVELS } from '../log.ts';
import { agentSchema } from './agent.ts';
import { alertsSchema, sinkProblems } from './alerts.ts';
import { count, keysOf, oneOf, text } from './fields.ts';
import { httpSchema } from './http.ts';
import { connectionSchema } from './platforms.ts';
import { runtimeSchema } from './runtime.ts';
import { timingsSchema } from './timings.ts';

const redis = keysOf({
  url: z
    .string({ error: 'must be text, for example redis://127.0.0.1:6379/0' })
    .refine(isRedisUrl, {
      error:
        'must be a URL that starts with redis:// or rediss://, for example redis://127.0.0.1:6379/0; leave it out for the embedded Redis',
    })
    .refine(areReadable, { error: 'has a "%" in user or password that encodes nothing; write it as %25' })
    .optional()
    .describe('A Redis of your own (redis:// or rediss://). Left out: the embedded one.'),
  sentinels: z
    .array(
      keysOf({
        host: text('Address of a Sentinel.', 'host: 10.0.0.1'),
        port: count(26_379, 'Its port.', { least: 1, most: 65_535 }),
      }),
      { error: 'must be a list: each Sentinel starts with "- host: …"' },
    )
    .min(1, { error: 'is empty; list the Sentinels, or remove it' })
    .optional()
    .describe("Sentinels that know where the master is; the host in redis.url is then the master's name."),
  prefix: z
    .string({ error: 'must be text, for example hf' })
    .regex(/^[a-z][a-z0-9-]{0,31}$/, {
      error: 'must start with a-z and have at most 32 of a-z, 0-9 and "-", for example hf',
    })
    .default('hf')
    .describe('Starts every key; another one for each installation that shares a Redis.'),
  appendfsync: oneOf(
    ['always', 'everysec'],
    'How durable the embedded Redis is: with everysec a power loss may cost the last second.',
  ).default('always'),
  maxMemoryBytes: z
    .int({ error: 'must be a whole number of bytes, for example 268435456' })
    .min(67_108_864, { error: 'is less than 64 MiB (67108864), too little to store anything safely' })
    .optional()
    .describe('What the embedded Redis may hold; left out: a quarter of the memory of the machine or container.'),
});

const redisWithSentinels = redis.check((context) => {
  const { sentinels, url } = context.value;
  if (sentinels === undefined) return;
  if (url === undefined) {
    const message = "needs redis.url, for example redis://mymaster/0: its host is the master's name";
    context.issues.push({ code: 'custom', input: undefined, path: ['sentinels'], message });
  } else if (URL.canParse(url) && new URL(url).port !== '') {
    const message = 'has a port, and with redis.sentinels its host is only a name; remove the port';
    context.issues.push({ code: 'custom', input: undefined, path: ['url'], message });
  }
});

export const configSchema = keysOf(
  {
    redis: redisWithSentinels.prefault({}),
    log: keysOf({ level: oneOf(LOG_LEVELS, 'The least severe lines that are written.').default('info') }).prefault({}),
    timings: timingsSchema,
    access: oneOf(['open'], 'Who may talk to the agent; open: everyone who can write to the bot.').default('open'),
    agent: agentSchema,
    alerts: alertsSchema.describe('Who is told when something is wrong.'),
    http: httpSchema,
    runtime: runtimeSchema.describe('Connections that are added while it runs.'),
    connections: z
      .array(connectionSchema, { error: 'must be a list: each connection starts with "- id: …"' })
      .default([])
      .check((context) => {
        const seen = new Map<string, number>();
        for (const [index, { id }] of context.value.entries()) {
          const first = seen.get(id);
          if (first === undefined) seen.set(id, index);
          else {
            const message = `"${id}" is already the id of connections[${first}]; give one of them another id`;
            context.issues.push({ code: 'custom', input: undefined, path: [index, 'id'], message });
          }
        }
      })
      .describe('The connections to hold.'),
  },
  { proxy: 'belongs to a connection; write it there, or set HTTPS_PROXY for all of them' },
).check((context) => {
  const { alerts, connections } = context.value;
  const ids = connections.map(({ id }) => id);
  for (const [index, key, message] of sinkProblems(alerts.sinks, ids)) {
    context.issues.push({ code: 'custom', input: undefined, path: ['alerts', 'sinks', index, key], message });
  }
});

export type ParsedConfig = z.output<typeof configSchema>;

/** User and password. What is no URL has been told already. */
function areReadable(input: string): boolean {
  if (!URL.canParse(input)) return true;
  const { username, password } = new URL(input);
  try {
    decodeURIComponent(username + password);
    return true;
  } catch {
    return false;
  }
}

function isRedisUrl(input: string): boolean {
  if (!URL.canParse(input)) return false;
  const { protocol, hostname, pathname } = new URL(input);
  return (protocol === 'redis:' || protocol === 'rediss:') && hostname !== '' && /^(?:\/\d*)?$/.test(pathname);
}
