import type { Agent } from '../agents/agent.ts';
import { createAgent } from '../agents/create-agent.ts';
import type { LiveConfig } from './live-config.ts';

/** The agent as it is configured at the moment: a turn that has begun ends with the agent that it was given to. */
export function liveAgent(live: LiveConfig): Agent {
  let agent = createAgent(live.current.agent);
  live.onChange(({ groups }) => {
    if (groups.includes('agent')) agent = createAgent(live.current.agent);
  });
  return {
    get kind() {
      return agent.kind;
    },
    get maxMessagesPerTurn() {
      return agent.maxMessagesPerTurn;
    },
    get historyMessages() {
      return agent.historyMessages;
    },
    get timeoutMs() {
      return agent.timeoutMs;
    },
    reply: (turn, options) => agent.reply(turn, options),
  };
}
