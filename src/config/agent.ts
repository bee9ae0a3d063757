/** Who answers: the configuration of the agent backends. */
import { z } from 'zod';
import { count, durationMs, httpUrl, keysOf, text } from './fields.ts';

const maxReplyParts = count(
  10,
  'Most messages that the answer to one message becomes, all replies together; the rest is cut, with a notice. Also of a pushed message.',
  { least: 1, most: 100 },
);

const delayMs = z.int().min(0).max(600_000);

const echo = keysOf({
  kind: z.literal('echo').describe('Answers "echo: <text>".'),
  delayMs: z
    .union([delayMs, z.tuple([delayMs, delayMs])], {
      error: 'must be whole milliseconds: one number, or a list [from, to] to draw from',
    })
    .default(0)
    .transform((delay): readonly [number, number] => (typeof delay === 'number' ? [delay, delay] : delay))
    .refine(([from, to]) => from <= to, { error: 'must list the smaller number first, as in [100, 2000]' })
    .describe('Waits before each answer: a number of ms, or [from, to] to draw from. For tests.'),
  maxReplyParts,
});

const openai = keysOf({
  kind: z.literal('openai').describe('An OpenAI-compatible chat completions API.'),
  url: httpUrl('Base URL of the API, with its version.', 'url: http://127.0.0.1:8642/v1'),
  apiKey: text('Key of the API; left out when it needs none.', 'apiKey: ${HOLDFAST_AGENT_KEY}').optional(),
  model: text('Name of the model, as the API knows it.', 'model: hermes-agent'),
  timeoutMs: durationMs(120_000, 'Bound of one call, streaming included.', { least: 100, most: 3_600_000 }),
  maxRetries: count(2, 'Repeats of a failed call within one attempt at a turn.', { most: 20 }),
  historyMessages: count(20, 'Earlier messages of the conversation that are sent along.', { most: 1_000 }),
  systemPrompt: text('Sent before the conversation.', 'systemPrompt: You are …').optional(),
  maxMessagesPerTurn: count(1, 'Waiting messages of a conversation that one turn may answer together.', {
    least: 1,
    most: 100,
  }),
  maxReplyParts,
});

const webhook = keysOf({
  kind: z.literal('webhook').describe('A URL of your own: each turn is one signed POST.'),
  url: httpUrl('Where turns are sent.', 'url: https://agent.example/holdfast'),
  secret: text('Signs each call; known to both sides.', 'secret: ${HOLDFAST_AGENT_SECRET}, or secretFile'),
  timeoutMs: durationMs(120_000, 'Bound of one call.', { least: 100, most: 3_600_000 }),
  historyMessages: count(20, 'Earlier messages of the conversation that are sent along.', { most: 1_000 }),
  maxMessagesPerTurn: count(1, 'Waiting messages of a conversation that one turn may answer together.', {
    least: 1,
    most: 100,
  }),
  maxReplyParts,
});

export const agentSchema = z
  .discriminatedUnion('kind', [echo, openai, webhook], {
    error: ({ input }) =>
      typeof input === 'object' && input !== null
        ? 'must be one of: echo, openai, webhook'
        : 'must be a group of keys, for example { kind: echo }',
  })
  .prefault({ kind: 'echo' });

export type AgentConfig = Readonly<z.output<typeof agentSchema>>;
