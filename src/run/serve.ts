/**
 * One foreground process: opens Redis, starts its roles, says that it is ready, and drains them when asked to. `up`,
 * `worker` and `scheduler` differ only in which roles they name and which of them live in child processes.
 */
import { join } from 'node:path';
import type { Logger } from 'pino';
import { controllerForMany, settledWithin } from '../async/abort.ts';
import type { Config } from '../config.ts';
import { explain } from '../errors.ts';
import type { LogJournal } from '../state/log-journal.ts';
import { Measurements } from '../state/measurements.ts';
import { MemoryGauge } from '../state/memory-gauge.ts';
import { RedisClock } from '../state/redis-clock.ts';
import type { Safeguards } from '../state/safeguards.ts';
import type { Listener } from '../web/listener.ts';
import { createAdapters } from './adapters.ts';
import { type ChildReady, type SupervisedChild, superviseChild, type ToChild } from './child-supervisor.ts';
import { startConnectionsRole } from './connections-role.ts';
import { CredentialStore } from './credentials.ts';
import { DataMemory } from './data-memory.ts';
import { declareWorkerDead, strikeOff } from './declare-worker-dead.ts';
import { desiredFromConfig } from './desired-from-config.ts';
import { type Foreground, foreground, reportUncaught } from './foreground.ts';
import { keepDesired, writeDesired } from './keep-desired.ts';
import { keepJournal } from './keep-journal.ts';
import { LiveConfig } from './live-config.ts';
import { startAgentRole, startDeliveryRole } from './message-roles.ts';
import { type ProcessIdentity, processIdentity } from './process-identity.ts';
import { RecordWatch } from './record-watch.ts';
import type { Role, RoleName } from './role.ts';
import { RuntimeConnections } from './runtime-connections.ts';
import { startSchedulerRole } from './scheduler-role.ts';
import { spareMemory } from './spare-memory.ts';
import { EMBEDDED_DIR, openStorage, type Storage } from './storage.ts';
import { openListener, startWebRole } from './web-role.ts';
import { createWorkerReporter, type WorkerReporter, type WorkerReportOptions } from './worker-report.ts';

export interface ServeOptions {
  readonly config: Config;
  /** Roles in this process. */
  readonly roles: readonly RoleName[];
  /** What runs in child processes. */
  readonly children: readonly ChildGroup[];
  /** This process is such a child: its readiness and its end are its parent's business. */
  readonly supervised: boolean;
  /** Most connections this worker holds at once. */
  readonly capacity: number;
  /** Drain after this, ms; `null`: stay. For compute that is only lent. */
  readonly maxTenureMs: number | null;
  readonly safeguards: Safeguards;
  readonly cwd: string;
  /** What `log` said about connections. */
  readonly journal: LogJournal;
  readonly log: Logger;
}

/** Child processes that are alike. */
export interface ChildGroup {
  readonly roles: readonly RoleName[];
  readonly count: number;
  readonly script: string;
  readonly args: readonly string[];
  /** For Node itself. */
  readonly execArgv: readonly string[];
}

/** @returns the exit code: 0 after a drain, 2 when Redis or the configuration is unfit, or a port is taken */
export async function serve(asked: ServeOptions): Promise<number> {
  const { config, log } = asked;
  reportUncaught(log);
  spareMemory();
  const stop = foreground(log);
  const starting = controllerForMany();
  void stop.ending.then((reason) => starting.abort(new Error(reason)));
  const live = new LiveConfig({ initial: config, quiet: asked.supervised, log });
  if (asked.supervised) listenToParent(stop.end, live);
  listenToHangup(stop.end, live, asked);
  for (const warning of config.warnings) log.warn({ event: 'config' }, warning);

  const measurements = new Measurements();
  let listener: Listener | null;
  try {
    listener = await openListener(config, asked.roles, measurements, log);
  } catch (error) {
    log.fatal({ event: 'web-refused', err: error }, explain(error));
    return 2;
  }
  const options = listener === null ? { ...asked, roles: asked.roles.filter((role) => role !== 'web') } : asked;
  try {
    return await serveOver(options, { listener, live, measurements }, stop, starting.signal);
  } finally {
    await listener?.close();
  }
}

async function serveOver(
  options: ServeOptions,
  { listener, live, measurements }: Pick<Parts, 'listener' | 'live' | 'measurements'>,
  stop: Foreground,
  starting: AbortSignal,
): Promise<number> {
  const { config, log } = options;
  const identity = processIdentity();
  let storage: Storage;
  try {
    const { cwd, supervised } = options;
    storage = await openStorage({ config, cwd, who: identity.presence, rehearses: !supervised, log }, starting);
  } catch (error) {
    if (starting.aborted) return 0;
    log.fatal({ event: 'redis-unfit', err: error }, explain(error));
    return 2;
  }

  const ended = controllerForMany();
  const { address, patient, keys } = storage;
  const memory =
    options.roles.includes('scheduler') && !options.supervised
      ? new DataMemory({ dir: join(options.cwd, EMBEDDED_DIR), address, client: patient, keys, log })
      : null;
  let askedAt = performance.now();
  try {
    const running = startRoles(
      options,
      { storage, listener, live, measurements },
      identity,
      memory,
      await beginDesired(options, storage, memory),
      ended.signal,
    );
    await Promise.race([Promise.all(running.parts.map((part) => part.ready)), stop.ending]);
    if (options.maxTenureMs !== null) {
      setTimeout(() => stop.end('maximum tenure reached'), options.maxTenureMs).unref();
    }
    if (!starting.aborted) tellReady(log, identity, options);
    const reason = await stop.ending;
    askedAt = performance.now();
    running.reporter.draining();
    const drained = Promise.all(running.parts.map((part) => part.drain(reason))).then(async () => {
      ended.abort();
      await running.background;
    });
    // With Redis away nothing can be given back; what was held is safe there, and its locks and leases run out.
    if (await settledWithin(drained, DRAIN_FOR_MS)) log.info({ event: 'drained' }, 'drained');
    else log.warn({ event: 'drained-late' }, 'left before all was given back: others take it over when its locks end');
    return 0;
  } finally {
    await settledWithin(storage.close(), Math.max(CLOSE_FOR_MS, askedAt + GONE_WITHIN_MS - performance.now()));
  }
}

/**
 * A dead child is started again after this, ms: its siblings are live on its connections by then, and should the next one
 * die soon, no start takes the cores from that takeover.
 */
const SIBLINGS_FIRST_MS = 500;
/** All parts together, ms; what remains of the 10 s is for closing Redis. */
const DRAIN_FOR_MS = 8_800;
/** Since the end was asked for, ms. An embedded Redis that is still writing then is left; the next start finds it. */
const GONE_WITHIN_MS = 9_300;
const CLOSE_FOR_MS = 500;

/** What was opened before the roles. */
interface Parts {
  readonly storage: Storage;
  readonly listener: Listener | null;
  readonly live: LiveConfig;
  readonly measurements: Measurements;
}

interface Running {
  readonly parts: readonly Pick<Role, 'ready' | 'drain'>[];
  readonly reporter: WorkerReporter;
  /** Resolves when what runs beside the roles has ended. */
  readonly background: Promise<unknown>;
}

function startRoles(
  options: ServeOptions,
  { storage, listener, live, measurements }: Parts,
  identity: ProcessIdentity,
  memory: DataMemory | null,
  dataName: string,
  ended: AbortSignal,
): Running {
  const { config, roles, log, safeguards } = options;
  const adapters = createAdapters();
  const credentials = new CredentialStore(live);
  const gauge = new MemoryGauge({ client: storage.patient, log });
  let held = () => 0;
  let agent: ReturnType<typeof startAgentRole> | undefined;
  let delivery: ReturnType<typeof startDeliveryRole> | undefined;
  let presence = () => false;
  let sharing: NonNullable<WorkerReportOptions['sharing']> = () => ({ takes: false, movesRefused: null });
  const redisClock = new RedisClock();
  const reporter = createWorkerReporter({
    client: storage.fenced,
    keys: storage.keys,
    identity,
    roles,
    capacity: roles.includes('connections') ? options.capacity : 0,
    held: () => held(),
    sharing: () => sharing(),
    config: () => live.standing,
    standing: () => ({
      ...(agent === undefined ? {} : { agent: agent.standing() }),
      ...(delivery === undefined ? {} : { sending: delivery.standing() }),
    }),
    presence: () => presence(),
    redisClock,
    measurements,
    everyMs: config.timings.renewEveryMs,
    forgetAfterMs: config.timings.leaseMs,
    log,
  });

  const records = new RecordWatch(live, log);
  const parts: Pick<Role, 'ready' | 'drain'>[] = [];
  if (roles.includes('scheduler'))
    parts.push(startSchedulerRole({ config, live, storage, identity, records, memory, log }));
  const messages = { config, live, storage, identity, adapters, credentials, safeguards, measurements, log };
  if (roles.includes('agent')) agent = startAgentRole(messages);
  if (roles.includes('delivery')) delivery = startDeliveryRole(messages);
  parts.push(...[agent, delivery].filter((part) => part !== undefined));
  if (roles.includes('connections')) {
    const role = startConnectionsRole({
      config,
      identity,
      address: storage.address,
      fenced: storage.fenced,
      keys: storage.keys,
      adapters,
      credentials,
      live,
      turns: storage.turns,
      instanceFull: () => gauge.full,
      short: () => gauge.short,
      safeguards,
      measurements,
      redisClock,
      share: () => reporter.share(),
      onPoke: () => reporter.refresh(),
      capacity: options.capacity,
      log,
    });
    held = () => role.held;
    presence = () => role.isSeen;
    sharing = () => role.sharing;
    parts.push(role);
  }
  for (const group of options.children) {
    for (const child of superviseGroup(group, { storage, config, log })) {
      live.onAsk(() => child.reload());
      parts.push(child);
    }
  }
  if (listener !== null) {
    const holdsConnections = [{ roles }, ...options.children].some((each) => each.roles.includes('connections'));
    const others = Promise.all(parts.map((part) => part.ready));
    parts.push(
      startWebRole({ config, live, storage, identity, listener, cwd: options.cwd, holdsConnections, others, log }),
    );
  }
  const addedAtRunTime = new RuntimeConnections({
    client: storage.fenced,
    keys: storage.keys,
    live,
    watchesSecrets: roles.includes('connections'),
    log,
  });
  const desired = keepDesired(
    {
      client: storage.fenced,
      keys: storage.keys,
      wanted: () => desiredFromConfig(live.current),
      addedAtRunTime: () => addedAtRunTime.look(),
      name: dataName,
      everyMs: config.timings.sweepEveryMs,
      removes: roles.includes('scheduler'),
      onChange: (listener) => live.onChange(listener),
      onDamaged: (listener) => records.onDamaged(listener),
      onLost: (name) => memory?.begin(name),
      log,
    },
    ended,
  );
  const journal = keepJournal({ journal: options.journal, client: storage.fenced, keys: storage.keys, log }, ended);
  const background = [reporter.run(ended), gauge.watch({ signal: ended }), desired, live.watch(ended), journal];
  return { parts, reporter, background: Promise.all(background) };
}

function superviseGroup(
  { roles, count, ...program }: ChildGroup,
  { storage, config, log }: { readonly storage: Storage; readonly config: Config; readonly log: Logger },
): SupervisedChild[] {
  const deps = {
    client: storage.patient,
    keys: storage.keys,
    queue: storage.connections,
    configured: config.connections.map(({ id }) => id),
    log,
  };
  const name = roles.includes('connections') ? 'child' : roles.join(', ');
  return Array.from({ length: count }, (_, index) =>
    superviseChild({
      ...program,
      name: `${name} ${index + 1}`,
      restartAfterMs: count === 1 ? 0 : SIBLINGS_FIRST_MS,
      onDeath: (dead, reason) =>
        roles.includes('connections') ? declareWorkerDead(deps, dead, reason) : strikeOff(deps, dead),
      log,
    }),
  );
}

/** @returns the name of the data in Redis */
async function beginDesired(
  { config, roles, log }: ServeOptions,
  { patient, keys }: Storage,
  memory: DataMemory | null,
): Promise<string> {
  const missing = (await memory?.compare()) ?? null;
  const name = await writeDesired({
    client: patient,
    keys,
    wanted: () => desiredFromConfig(config),
    // A process without connections of its own (a scheduler started by flags) has no say about which there are.
    removeOthers: roles.includes('scheduler') && config.connections.length > 0,
    log,
  });
  if (missing !== null) {
    await memory?.tell(
      missing,
      config.connections.map(({ id }) => id),
    );
  }
  memory?.begin(name);
  return name;
}

function tellReady(log: Logger, identity: ProcessIdentity, { roles, supervised }: ServeOptions): void {
  // One process tree says "ready" once.
  if (!supervised) {
    log.info({ event: 'ready', worker: identity.worker, roles }, 'ready');
    return;
  }
  const message: ChildReady = { kind: 'ready', worker: identity.worker, incarnation: identity.incarnation };
  process.send?.(message);
  log.info({ event: 'child-ready', worker: identity.worker, roles }, 'child is ready');
}

/** As a supervised child: drain when told, and when the parent is gone. One that does not wait for the drain was forced. */
function listenToParent(end: (reason: string) => void, live: LiveConfig): void {
  let drains = false;
  process.on('message', (message: ToChild) => {
    if (message.kind === 'reload') return void live.ask();
    drains = true;
    end(message.reason);
  });
  process.on('disconnect', () => {
    if (drains) process.exit(1);
    end('the parent process is gone');
  });
}

/** SIGHUP asks a service to read its configuration again. On a terminal it says that the terminal is gone. */
function listenToHangup(end: (reason: string) => void, live: LiveConfig, { supervised }: ServeOptions): void {
  const onTerminal = !supervised && (process.stdin.isTTY === true || process.stdout.isTTY === true);
  process.on('SIGHUP', () => {
    if (onTerminal) end('the terminal is gone');
    else if (!supervised) void live.ask();
  });
}
