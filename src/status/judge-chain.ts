/** The chain as a whole, from all that was read. Pure. */
import { type AgentStatus, type ChainStatus, type ConnectionChain, chainOf, connectionChains } from './chain.ts';
import type { ChainEvidence } from './chain-evidence.ts';
import type { ConnectionStatus } from './document.ts';
import { told } from './found-trouble.ts';
import { agentsOf, judgeAgents } from './judge-agents.ts';
import { judgeInstallation } from './judge-installation.ts';
import { judgeMessages } from './judge-messages.ts';

export interface JudgedChain {
  readonly chain: ChainStatus;
  readonly agents: readonly AgentStatus[];
  /** By connection id. */
  ofConnection(id: string): ConnectionChain;
}

/** @param statuses - of the connections of `evidence`, in the same order */
export function judgeChain(evidence: ChainEvidence, statuses: readonly ConnectionStatus[]): JudgedChain {
  const found = [...judgeInstallation(evidence), ...judgeAgents(evidence)];
  for (const [n, connection] of evidence.connections.entries()) {
    const status = statuses[n];
    if (status !== undefined) found.push(...judgeMessages(evidence, connection, status));
  }
  const troubles = found.map(told);
  return { chain: chainOf(troubles), agents: agentsOf(evidence), ofConnection: connectionChains(troubles) };
}
