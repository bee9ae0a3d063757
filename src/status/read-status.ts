/** The status document: what every connection does, and whether people are answered. Works without any other process. */
import type { Keys } from '../state/keys.ts';
import type { RedisClient } from '../state/redis.ts';
import { type ChainEvidence, readChainEvidence } from './chain-evidence.ts';
import type { StatusDocument } from './document.ts';
import { judgeChain } from './judge-chain.ts';
import { holdingOf, type StatusTimings } from './read.ts';

/** @throws TransientError or the client's own error when Redis does not answer */
export async function readStatus(client: RedisClient, keys: Keys, timings: StatusTimings): Promise<StatusDocument> {
  return statusOf(await readChainEvidence(client, keys, timings));
}

export function statusOf(evidence: ChainEvidence): StatusDocument {
  const holding = holdingOf(evidence);
  const { chain, agents, ofConnection } = judgeChain(evidence, holding.connections);
  const connections = holding.connections.map((one) => ({ ...one, chain: ofConnection(one.id) }));
  return { ...holding, connections, agents, chain };
}
