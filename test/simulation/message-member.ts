/** A worker for turns and deliveries: production's lanes and outboxes under a model of BullMQ's stock worker. */
import type { Agent } from '../../src/agents/agent.ts';
import { sleep } from '../../src/async/abort.ts';
import { FencedError, TransientError } from '../../src/errors.ts';
import { connectionId } from '../../src/model.ts';
import { connectedProcesses } from '../../src/state/presence.ts';
import { ConnectionSlots } from '../../src/workers/connection-slots.ts';
import { deliverOutbox } from '../../src/workers/deliver-outbox.ts';
import { runLane } from '../../src/workers/run-lane.ts';
import { createSenders } from '../../src/workers/senders.ts';
import { TurnRunners } from '../../src/workers/turn-runners.ts';
import { Typing } from '../../src/workers/typing.ts';
import { credentialsWith } from '../support/credentials.ts';
import { openDirect } from '../support/direct-transport.ts';
import type { Invariants } from './invariants.ts';
import { laneQueue, StockWorker } from './job-client.ts';
import { adaptersOf, type Tools } from './member-tools.ts';
import { mutateJobId, safeguardsWith } from './mutations.ts';
import { partsOf } from './platform.ts';
import type { Member, Sim } from './sim.ts';

export function runMessages(
  sim: Sim,
  invariants: Invariants,
  member: Member,
  { fenced, user, worker, incarnation, log }: Tools,
): void {
  const { settings, keys, mutation } = sim;
  const { clock } = member.process;
  const senders = createSenders({
    adapters: adaptersOf(sim, invariants, member),
    credentialsOf: credentialsWith(),
    openTransport: openDirect,
    clock,
    log,
  });
  const safeguards = safeguardsWith(mutation);
  const name = (id: string) => mutateJobId(mutation, id);
  const [turns, deliveries] = [laneQueue(user('turns'), name), laneQueue(user('deliveries'), name)];
  const self = `${worker}#${incarnation}`;
  // The kernel closes its connections when it dies, and keeps them while it is frozen.
  sim.server.connected.add(self);
  member.process.onDeath(() => sim.server.connected.delete(self));
  const agent = simAgent(sim, invariants, member);
  const backoff = { baseMs: 300, capMs: 2_000, factor: 2 };
  const common = {
    name: `${worker}.i1`,
    concurrency: 4,
    lockMs: settings.turnLockMs,
    stalledEveryMs: settings.stalledEveryMs,
    overtaken: () => new FencedError('the job was taken over'),
  };
  const typing = new Typing({ log });
  const runners = new TurnRunners({
    self,
    connected: () => connectedProcesses(fenced),
    patienceMs: mutation === 'turn-runner' ? 0 : settings.turnPatienceMs,
  });
  new StockWorker({
    ...common,
    user: user('turns'),
    async isOurs({ connectionId: id, lane }) {
      const runner = await fenced.hget(keys.connection(connectionId(id)).laneState(lane), 'runner');
      return runner === null || runner === '' || runners.isRunning(runner);
    },
    run: (job, signal) =>
      runLane(
        {
          client: fenced,
          keys,
          agent,
          turns,
          deliveries,
          senderFor: (connection) => {
            const answer = senders(connection);
            return answer.kind === 'none' ? answer : { ...answer, dedupeWindowMs: 3_600_000 };
          },
          log,
          safeguards,
          backoff,
          typing,
          runners,
          maxReplyParts: () => 10,
        },
        job,
        { signal, draining: () => false },
      ),
  });
  const slots = new ConnectionSlots();
  new StockWorker({
    ...common,
    user: user('deliveries'),
    run: (job, signal) =>
      deliverOutbox(
        {
          client: fenced,
          keys,
          senderFor: senders,
          slots,
          clock,
          log,
          safeguards,
          backoff,
          giveUpAfterMs: 600_000,
          maxReplyParts: () => 10,
          sendTimeoutMs: 5_000,
        },
        job,
        { signal, draining: () => false },
      ),
  });
}

/** Thinks for a while and answers each message with `re: <text>`, some in two parts. */
function simAgent(sim: Sim, invariants: Invariants, { process }: Member): Agent {
  return {
    kind: 'sim',
    maxMessagesPerTurn: 3,
    historyMessages: 0,
    timeoutMs: 5_000,
    async reply({ id, messages, connectionId }, { signal }) {
      using _atWork = invariants.asked(connectionId, id, messages, process);
      await sleep(sim.random.between(1, sim.agentMs), { signal });
      if (sim.random.chance(sim.agentBusy)) throw new TransientError('AGENT_FAILED', 'the agent is busy');
      return messages.map((to) => ({ to, text: partsOf(to.text).join('|') }));
    },
  };
}
