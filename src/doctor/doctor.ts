/**
 * What can be wrong, looked at all at once, each finding with what it means and what to do. It reads Redis, and asks the
 * platforms nothing that could disturb who holds a connection; it writes nothing anywhere, unless a test notification is
 * asked for.
 */
import type { Adapter } from '../adapters/adapter.ts';
import { PlatformClock } from '../adapters/platform-clock.ts';
import { tellTime } from '../adapters/tell-time.ts';
import { systemClock } from '../async/clock.ts';
import { type Config, resolveRuntimeConnection } from '../config.ts';
import { explain } from '../errors.ts';
import { createTransport } from '../http/transport.ts';
import type { Logger } from '../log.ts';
import { connectionId, type JsonValue } from '../model.ts';
import { openSink } from '../run/alerts.ts';
import { hostOf } from '../state/fitness.ts';
import type { MissingRights, RedisUser } from '../state/redis-rights.ts';
import type { StatusDocument } from '../status/document.ts';
import { sinkReachable, sinkTakes } from './check-alerts.ts';
import { judgePlatformClock, judgeSkew } from './check-clock.ts';
import { filesFinding, redisProgramFinding, steadinessFinding } from './check-host.ts';
import { httpFinding } from './check-http.ts';
import { judgeInstallation } from './check-installation.ts';
import { modeFindings, mountFindings } from './check-modes.ts';
import { networkChecks } from './check-network.ts';
import { judgeRedis, judgeRights, judgeRoom } from './check-redis.ts';
import { type Finding, fail, ok, skipped, warn } from './finding.ts';
import type { Evidence } from './gather.ts';
import { type Check, runChecks } from './run-checks.ts';

export interface DoctorOptions {
  readonly config: Config;
  /** Lines of a ConfigError: `config` was then read without its secrets. */
  readonly problems: readonly string[];
  /** `null`: Redis cannot be read; `whyNot` says why. */
  readonly evidence: Evidence | null;
  readonly whyNot: string | null;
  /** What our Redis user may not do. @defaultValue `null`: it was not tried */
  readonly rights?: { readonly user: RedisUser; readonly missing: MissingRights } | null;
  readonly adapters: ReadonlyMap<string, Adapter>;
  /** `.holdfast` of places where the installation may have been started. @defaultValue none */
  readonly folders?: readonly string[];
  /** Really sends a test notification to each sink. */
  readonly sendAlerts: boolean;
  readonly log: Logger;
}

/** A connection, of the file or added at run time, with what this host knows of it. */
interface Known {
  readonly id: string;
  readonly platform: string;
  readonly enabled: boolean;
  readonly options: JsonValue;
  readonly secrets: Readonly<Record<string, string>>;
}

/** @returns all findings in a fixed order. Never throws, unless `signal` aborts */
export async function examine(options: DoctorOptions, signal: AbortSignal): Promise<Finding[]> {
  const { config, problems, evidence } = options;
  const { known, missing } = connectionsOf(options);
  const status = evidence?.status ?? null;
  const checks: Check[] = [
    settled('config', configFindings(config, problems)),
    settled('secrets', missing),
    settled('redis', redisFindings(options)),
    ...(config.redis.url === null ? [one('redis.program', redisProgramFinding)] : []),
    settled('scheduler', installationFindings(options)),
    settled('clock', clockFindings(options)),
    one('clock.steady', steadinessFinding),
    one('files', () => filesFinding(known.length)),
    several('modes', () => modeFindings(config, options.folders ?? [])),
    several('mounts', () => mountFindings(config)),
    one('http', (within) => httpFinding(config.http, within)),
    ...alertChecks(options, status),
    ...networkChecks(known, config.proxyEnvironment),
    ...known.map((connection) => platformCheck(options, connection, status)),
  ];
  return await runChecks(checks, signal);
}

function settled(check: string, findings: readonly Finding[]): Check {
  return { check, subject: null, run: async () => findings };
}

function several(check: string, run: () => Promise<Finding[]>): Check {
  return { check, subject: null, run };
}

function one(check: string, run: (signal: AbortSignal) => Promise<Finding>): Check {
  return { check, subject: null, run: async (signal) => [await run(signal)] };
}

function configFindings({ source, connections, warnings }: Config, problems: readonly string[]): Finding[] {
  const notes = warnings.map((line) => {
    const [about = line, fix = 'see docs/configuration.md'] = line.split(/; (.*)/s);
    return warn('config', about, fix);
  });
  if (problems.length === 0) {
    return [ok('config', `${source} is valid and names ${connections.length} connections`), ...notes];
  }
  return problems.map((line) => {
    const [about = line, fix = 'correct it'] = line.split(/; (.*)/s);
    return fail('config', about, fix);
  });
}

function connectionsOf({ config, problems, evidence }: DoctorOptions): { known: Known[]; missing: Finding[] } {
  const known: Known[] = problems.length === 0 ? [...config.connections] : [];
  const missing: Finding[] = [];
  const about = (id: string) => ({ subject: id });
  if (problems.length > 0) {
    const why = 'its secrets cannot be looked up while the configuration has problems';
    missing.push(...config.connections.map(({ id }) => skipped('secrets', why, about(id))));
  }
  for (const { id, definition, enabled } of evidence?.addedAtRunTime ?? []) {
    try {
      known.push({ ...resolveRuntimeConnection(definition, config.runtime), enabled });
      missing.push(ok('secrets', 'added at run time; its secrets are found on this host', about(id)));
    } catch (error) {
      const fix = 'give this host the variable or file if it should hold it; a worker that has it takes it';
      missing.push(warn('secrets', `added at run time: ${explain(error)}`, fix, about(id)));
    }
  }
  return { known, missing };
}

function redisFindings({ config, evidence, whyNot, rights = null }: DoctorOptions): Finding[] {
  const allowed = rights === null ? [] : judgeRights(rights.user, rights.missing);
  if (evidence !== null) {
    const where = config.redis.url === null ? 'the embedded Redis' : 'the configured Redis';
    const took = `${where} answers in ${Math.round(evidence.roundTripMs)} ms`;
    return [
      ok('redis', took),
      ...judgeRedis(evidence.redis, config.redis.sentinels !== null),
      judgeRoom(evidence.redis, evidence.status.connections.length),
      ...allowed,
    ];
  }
  if (config.redis.url === null) return [skipped('redis', `${whyNot}`)];
  const [words = '', fix = 'start Redis, or correct redis.url; "redis-cli -u URL ping" tries it from here'] =
    `${whyNot}`.split(/; (.*)/s);
  return [fail('redis', words, fix), ...allowed];
}

function installationFindings({ evidence }: DoctorOptions): Finding[] {
  if (evidence === null) return [skipped('scheduler', 'what runs stands in Redis, which cannot be read')];
  return judgeInstallation(evidence.status, evidence.budgets);
}

/** Workers say what time it is on their hosts with each report. */
function clockFindings({ evidence }: DoctorOptions): Finding[] {
  if (evidence === null) return [skipped('clock', 'there is no Redis to compare with')];
  const hosts = new Map(evidence.clocks.map((clock) => [hostOf(clock.worker), clock]));
  return [
    judgeSkew('clock', 'this host', evidence.aheadMs, evidence.roundTripMs / 2),
    ...[...hosts].map(([host, { aheadMs }]) => judgeSkew('clock.workers', host, aheadMs, REPORT_MS)),
  ];
}

/** A report may take so long on its way, ms. */
const REPORT_MS = 500;

function alertChecks({ config, evidence, sendAlerts }: DoctorOptions, status: StatusDocument | null): Check[] {
  const { sinks } = config.alerts;
  if (sinks.length === 0) {
    const fix = 'add one to alerts.sinks (docs/alerts.md), or have a monitor watch /readyz';
    return [settled('alerts', [warn('alerts', 'no sink is configured: what is wrong only stands in the log', fix)])];
  }
  return sinks.map((sink) => ({
    check: 'alerts',
    subject: sink.name,
    run: async (signal) => {
      if (!sendAlerts) return [await sinkReachable(sink, config.proxyEnvironment, status, signal)];
      if (evidence === null && sink.kind === 'chat') {
        return [skipped('alerts', 'it goes through Redis, which cannot be read', { subject: sink.name })];
      }
      const way = evidence?.chatWay ?? null;
      const opened = openSink(sink, config.proxyEnvironment, way);
      if (opened === null) return [skipped('alerts', 'it goes through Redis', { subject: sink.name })];
      return [await sinkTakes(opened, status, signal)];
    },
  }));
}

function platformCheck(options: DoctorOptions, connection: Known, status: StatusDocument | null): Check {
  const { id, platform, enabled } = connection;
  const about = { subject: id };
  const run = async (signal: AbortSignal): Promise<Finding[]> => {
    if (!enabled) return [skipped('platform', 'disabled in the configuration', about)];
    const adapter = options.adapters.get(platform);
    if (adapter?.diagnose === undefined) return [skipped('platform', `${platform} has no checks of its own`, about)];
    const platformClock = new PlatformClock();
    const opened = createTransport({
      proxy: connection.secrets.proxy,
      environment: options.config.proxyEnvironment,
    });
    const transport = tellTime(opened, platformClock, systemClock);
    try {
      const found = await adapter.diagnose(
        {
          connectionId: connectionId(id),
          options: connection.options,
          secrets: connection.secrets,
          transport,
          clock: systemClock,
          log: options.log,
          held: isHeld(status, id),
        },
        { signal },
      );
      const aheadMs = platformClock.aheadOf(systemClock.now(), systemClock.monotonic());
      return [
        ...found.map((diagnosis) => ({ ...diagnosis, check: `platform.${diagnosis.check}`, ...about })),
        ...judgePlatformClock(platform, id, aheadMs),
      ];
    } finally {
      await transport.destroy();
    }
  };
  return { check: 'platform', subject: id, run };
}

/** Without evidence somebody may hold it, on any host. */
function isHeld(status: StatusDocument | null, id: string): boolean {
  if (status === null) return true;
  const found = status.connections.find((one) => one.id === id);
  if (found === undefined || found.state === 'parked' || found.state === 'paused') return false;
  return found.owner !== null || status.workers.some(({ roles }) => roles.includes('connections'));
}
