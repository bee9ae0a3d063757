/** What concerns all connections: storage, the queues' settings, and who is there to work. Pure; instants are Redis ms. */
import { foreignSettings, type QueueName } from '../state/queue-settings.ts';
import type { LinkName } from './chain.ts';
import type { ChainEvidence } from './chain-evidence.ts';
import { type Found, inWords } from './found-trouble.ts';
import { MEMORY_FULL, SWEEP_LATE_MS } from './thresholds.ts';

export function judgeInstallation(evidence: ChainEvidence): Found[] {
  // Nobody is to be answered: then nobody has to be there.
  const wanted = evidence.connections.some(({ desired, wishes }) => desired.enabled && !wishes.paused);
  return [
    ...judgeStorage(evidence),
    ...judgeData(evidence),
    ...judgeQueues(evidence),
    ...(wanted ? [...judgeSweeps(evidence), ...judgeRoles(evidence), ...judgePresence(evidence)] : []),
  ];
}

function* judgeStorage({ redis }: ChainEvidence): Generator<Found> {
  if (redis === null) return;
  const base = { kind: 'storage', link: 'stored', subject: 'Redis' } as const;
  const { usedBytes, maxBytes, refusesWrites, aof } = redis;
  if (refusesWrites !== null) {
    const advice = 'look at the disk of Redis and at its log; of replicas, name the master in redis.url';
    yield { ...base, state: 'failing', reason: `Redis refuses what is to be stored: ${refusesWrites}`, advice };
  } else if (aof.enabled && !aof.healthy) {
    const advice = 'look at the disk and the memory of Redis, and at its log';
    yield { ...base, state: 'watch', reason: 'Redis could not rewrite its append-only file', advice };
  }
  if (maxBytes !== null && usedBytes >= maxBytes * MEMORY_FULL) {
    const percent = Math.floor((100 * usedBytes) / maxBytes);
    const reason = `${percent} % of Redis's memory is used: inbound messages wait at the platforms`;
    yield { ...base, state: 'failing', reason, advice: 'find out what waits (holdfast status), or raise maxmemory' };
  }
}

function* judgeData({ dataLoss = null }: ChainEvidence): Generator<Found> {
  if (dataLoss === null) return;
  const advice =
    'look for the data (docs/runbook.md, "Redis began empty"); if these are the ones to go on with: holdfast data accept';
  const { reason, at } = dataLoss;
  yield { kind: 'data-lost', link: 'stored', state: 'failing', subject: 'Redis', reason, advice, since: at };
}

const QUEUE_LINKS: Readonly<Record<QueueName, LinkName>> = {
  connections: 'received',
  turns: 'turn',
  deliveries: 'sent',
};
const QUEUE_MEANS: Readonly<Record<QueueName, string>> = {
  connections: 'connections are not taken over',
  turns: 'the agent is asked too little or nothing',
  deliveries: 'too few or no answers are sent',
};

function* judgeQueues({ queues, queueChanges }: ChainEvidence): Generator<Found> {
  for (const queue of queues) {
    const { name } = queue;
    const foreign = foreignSettings(queue);
    const base = { link: QUEUE_LINKS[name], subject: name };
    if (foreign.length > 0) {
      const reason = `somebody else set the queue "${name}": ${foreign.join(', ')}; ${QUEUE_MEANS[name]}`;
      const advice =
        'a scheduler takes it away within seconds; if none runs, start "holdfast up" or "holdfast scheduler"';
      yield { ...base, kind: 'queue-settings', state: 'failing', reason, advice };
      continue;
    }
    const change = queueChanges.find((one) => one.queue === name);
    if (change === undefined) continue;
    const reason = `somebody else had set the queue "${name}": ${change.was}; it was put right`;
    const advice = 'find out who did: another Bull Board, a script, redis-cli';
    yield { ...base, kind: 'queue-settled', state: 'watch', reason, advice, since: change.at };
  }
}

/** Without presence all goes on, and a lost worker is noticed later. */
function* judgePresence({ workers }: ChainEvidence): Generator<Found> {
  const unseen = workers.filter(
    ({ roles, presence, draining }) => roles.includes('connections') && presence === false && !draining,
  );
  if (unseen.length === 0) return;
  const names = unseen.slice(0, 3).map(({ id }) => id);
  const more = unseen.length > names.length ? ` and ${unseen.length - names.length} more` : '';
  const reason = `Redis does not show whether ${names.join(', ')}${more} lives: should it die, that is noticed when its leases run out`;
  const advice =
    'see "presence-unseen" in its log and "redis.rights" in holdfast doctor: mostly its Redis user has no channels';
  yield { kind: 'unseen', link: 'received', state: 'watch', subject: names[0] ?? '', reason, advice };
}

function* judgeSweeps({ sweep, moment, workers }: ChainEvidence): Generator<Found> {
  const base = { kind: 'no-sweep', link: 'received', state: 'failing', subject: 'scheduler' } as const;
  const advice = 'start "holdfast up" or "holdfast scheduler", or look at its log';
  if (sweep === null) {
    if (workers.length === 0) return;
    yield { ...base, reason: 'no scheduler has ever looked: nothing is restarted or put right', advice };
  } else if (moment.now - sweep.at > SWEEP_LATE_MS) {
    const reason = `no scheduler has looked for ${inWords(moment.now - sweep.at)}: nothing is restarted or put right`;
    yield { ...base, reason, advice, since: sweep.at };
  }
}

const ROLES = [
  { role: 'agent', kind: 'no-agent-worker', link: 'turn', means: 'the agent is asked nothing' },
  { role: 'delivery', kind: 'no-delivery-worker', link: 'sent', means: 'no answer is sent' },
] as const;

function* judgeRoles({ workers, workerLog }: ChainEvidence): Generator<Found> {
  for (const { role, kind, link, means } of ROLES) {
    if (workers.some(({ roles, draining }) => roles.includes(role) && !draining)) continue;
    // Whoever left a moment ago is being replaced, or so it looks.
    const state = workerLog.length > 0 || workers.some(({ roles }) => roles.includes(role)) ? 'watch' : 'failing';
    const reason = `no process with the role "${role}" is alive: ${means}`;
    yield {
      kind,
      link,
      state,
      subject: role,
      reason,
      advice: `start "holdfast up", or "holdfast worker --roles ${role}"`,
    };
  }
}
