import type { Agent } from './agent.ts';
import { EchoAgent, type EchoOptions } from './echo.ts';
import { OpenAiAgent, type OpenAiOptions } from './openai.ts';
import { WebhookAgent, type WebhookOptions } from './webhook.ts';

/** The group `agent` of the configuration. */
export type AgentSettings =
  | ({ readonly kind: 'echo' } & EchoOptions)
  | ({ readonly kind: 'openai' } & OpenAiOptions)
  | ({ readonly kind: 'webhook' } & WebhookOptions);

export function createAgent(settings: AgentSettings): Agent {
  switch (settings.kind) {
    case 'echo':
      return new EchoAgent(settings);
    case 'openai':
      return new OpenAiAgent(settings);
    case 'webhook':
      return new WebhookAgent(settings);
    default:
      return settings satisfies never;
  }
}
