/** Who is told when something is wrong: the rules that an operator may tune, and the sinks. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { durationMs, httpUrl, keysOf, text } from './fields.ts';
import { LEFT_OUT } from './left-out.ts';
import { proxyField } from './proxy.ts';

const slackWebhook = z
  .string({ error: 'is missing; add webhookUrl: ${SLACK_WEBHOOK_URL}, or webhookUrlFile' })
  .refine((url) => url === LEFT_OUT || (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)), {
    error: 'must be a URL that starts with https://, as Slack shows it',
  })
  .describe('The URL of an incoming webhook. It is a secret: who knows it can post.');

const webhook = keysOf({
  kind: z.literal('webhook').describe('A URL of your own: each notification is one signed POST.'),
  url: httpUrl('Where notifications are sent.', 'url: https://pager.example/holdfast'),
  secret: text('Signs each call; known to both sides.', 'secret: ${HOLDFAST_ALERT_SECRET}, or secretFile'),
  proxy: proxyField,
});

const slack = keysOf({
  kind: z
    .literal('slack')
    .describe('An incoming webhook of Slack, or of what takes the same: Mattermost, Rocket.Chat, Discord.'),
  webhookUrl: slackWebhook,
  proxy: proxyField,
});

const chat = keysOf({
  kind: z.literal('chat').describe('A chat, through one of the connections; never with news of its own trouble.'),
  connection: text('Id of the connection that carries them.', 'connection: tg-main'),
  conversation: text('The chat, as the connection names it.', 'conversation: "chat:4711"'),
});

export const alertsSchema = keysOf({
  downAfterMs: durationMs(60_000, 'A connection that is not live for longer is told.', { least: 1_000 }),
  repeatEveryMs: durationMs(3_600_000, 'What goes on is told again after this.', { least: 1_000 }),
  sinks: z
    .array(
      z.discriminatedUnion('kind', [webhook, slack, chat], {
        error: ({ input }) =>
          typeof input === 'object' && input !== null
            ? 'must be one of: webhook, slack, chat'
            : 'must be a group of keys that starts with "- kind: …"',
      }),
      { error: 'must be a list: each sink starts with "- kind: …"' },
    )
    .default([])
    .describe('Where notifications go, beside the log.'),
}).prefault({});

type ParsedAlerts = z.output<typeof alertsSchema>;
type ParsedSink = ParsedAlerts['sinks'][number];

/** `name` stands in Redis and logs: it is the same for the same destination, and does not tell it. */
export type AlertSinkConfig = Readonly<ParsedSink> & { readonly name: string };
export type AlertsConfig = Readonly<Omit<ParsedAlerts, 'sinks'>> & { readonly sinks: readonly AlertSinkConfig[] };

export function alertsConfig({ sinks, ...rest }: ParsedAlerts): AlertsConfig {
  return { ...rest, sinks: sinks.map((sink) => ({ ...sink, name: nameOf(sink) })) };
}

function nameOf(sink: ParsedSink): string {
  return `${sink.kind}-${createHash('sha256').update(destinationOf(sink)).digest('hex').slice(0, 8)}`;
}

function destinationOf(sink: ParsedSink): string {
  switch (sink.kind) {
    case 'webhook':
      return sink.url;
    case 'slack':
      return sink.webhookUrl;
    case 'chat':
      return `${sink.connection} ${sink.conversation}`;
    default:
      return sink satisfies never;
  }
}

/** Problems that only show beside the rest of the file: [index of the sink, key, message]. */
export function* sinkProblems(
  sinks: readonly ParsedSink[],
  connections: readonly string[],
): Generator<readonly [number, string, string]> {
  const seen = new Set<string>();
  for (const [index, sink] of sinks.entries()) {
    if (sink.kind === 'chat' && !connections.includes(sink.connection)) {
      yield [index, 'connection', 'is not the id of one of the connections; write one of them'];
    }
    const name = nameOf(sink);
    // Without secrets all Slack sinks look the same.
    const known = sink.kind !== 'slack' || sink.webhookUrl !== LEFT_OUT;
    if (known && seen.has(name)) yield [index, 'kind', 'goes to the same place as a sink above; remove one of them'];
    seen.add(name);
  }
}

/** What the logger must never write. */
export function* alertSecrets(sinks: readonly ParsedSink[]): Generator<string> {
  for (const sink of sinks) {
    if (sink.kind === 'webhook') yield sink.secret;
    if (sink.kind !== 'slack') continue;
    yield sink.webhookUrl;
    // Errors name hosts and paths apart.
    if (URL.canParse(sink.webhookUrl)) yield new URL(sink.webhookUrl).pathname;
  }
}
