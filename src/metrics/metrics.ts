/**
 * Metrics for Prometheus, read from Redis when they are asked for: any process can answer, and the answer is right when
 * the workers that it is about are dead. What cannot be read is left out, and `holdfast_redis_up` or
 * `holdfast_evidence_up` says so: a scrape that failed as a whole would look like a web process that is gone.
 */
import type { Logger } from 'pino';
import { withDeadline } from '../async/abort.ts';
import { explain } from '../errors.ts';
import { readRedisFacts } from '../state/redis-facts.ts';
import { readSnapshot, type SnapshotSource } from '../status/read-snapshot.ts';
import { fillConnections } from './fill-connections.ts';
import { fillInstallation, fillRedis } from './fill-installation.ts';
import { CONTENT_TYPE, Sheet } from './sheet.ts';

export interface MetricsDeps extends SnapshotSource {
  readonly log: Logger;
  /** Longest wait for Redis, ms; Prometheus itself gives up after 10 s. @defaultValue 4000 */
  readonly deadlineMs?: number;
}

export interface Metrics {
  /** For the answer's `Content-Type`. */
  readonly contentType: string;
  /**
   * Reads everything anew; calls may overlap.
   *
   * @returns the text format of Prometheus, within the deadline whatever Redis does
   * @throws the signal's reason
   */
  render(signal: AbortSignal): Promise<string>;
}

export function createMetrics(deps: MetricsDeps): Metrics {
  const { client, log, deadlineMs = 4_000 } = deps;
  const failing = new Set<string>();

  /** @returns `null` when it could not be read */
  const tryRead = async <T>(what: string, signal: AbortSignal, read: () => Promise<T>): Promise<T | null> => {
    try {
      const answer = await withDeadline(what, deadlineMs, signal, read);
      failing.delete(what);
      return answer;
    } catch (error) {
      signal.throwIfAborted();
      // Prometheus asks every few seconds: said once, until it works again.
      const level = failing.has(what) ? 'debug' : 'warn';
      failing.add(what);
      log[level]({ event: 'metrics', what, err: error }, `metrics are incomplete: ${explain(error)}`);
      return null;
    }
  };

  return {
    contentType: CONTENT_TYPE,
    async render(signal) {
      const sheet = new Sheet();
      const [facts, snapshot] = await Promise.all([
        tryRead('facts about Redis', signal, () => readRedisFacts(client)),
        tryRead('evidence', signal, () => readSnapshot(deps)),
      ]);
      sheet.put('holdfast_redis_up', Number(facts !== null));
      sheet.put('holdfast_evidence_up', Number(snapshot !== null));
      if (snapshot !== null) {
        await fillConnections(sheet, snapshot);
        fillInstallation(sheet, snapshot);
      }
      if (facts !== null) fillRedis(sheet, facts);
      return await sheet.text();
    },
  };
}
