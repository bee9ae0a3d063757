/** Makes a status document of what a test says of its connections, with the chain that its troubles make. */
import { chainOf, connectionChains, type Trouble } from '../../src/status/chain.ts';
import type { HoldingDocument, StatusDocument } from '../../src/status/document.ts';

export function inChain(holding: HoldingDocument, troubles: readonly Trouble[] = []): StatusDocument {
  const chains = connectionChains(troubles);
  const connections = holding.connections.map((one) => ({ ...one, chain: chains(one.id) }));
  return { ...holding, connections, agents: [], chain: chainOf(troubles) };
}

/** @returns a trouble with what does not matter filled in */
export function trouble(change: Partial<Trouble> & Pick<Trouble, 'kind' | 'link' | 'subject'>): Trouble {
  const rest = {
    state: 'failing',
    connection: null,
    reason: 'a reason',
    advice: 'do something',
    since: null,
    until: null,
  };
  return { ...(rest as Omit<Trouble, 'kind' | 'link' | 'subject'>), ...change };
}
