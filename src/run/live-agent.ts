import type { Agent } from '../agents/agent.ts';
import { createAgent } from '../agents/create-agent.ts';
import { type WatchedAgent, watchAgent } from '../agents/watched-agent.ts';
import { systemClock } from '../async/clock.ts';
import type { LiveConfig } from './live-config.ts';

/** The agent as it is configured at the moment: a turn that has begun ends with the agent that it was given to. */
export function liveAgent(live: LiveConfig): WatchedAgent {
  let agent = createAgent(live.current.agent);
  const current: Agent = {
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
  const watched = watchAgent(current, systemClock);
  live.onChange(({ groups }) => {
    if (!groups.includes('agent')) return;
    agent = createAgent(live.current.agent);
    watched.forget();
  });
  return watched;
}
