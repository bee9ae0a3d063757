/** Desired records of the connections that a configuration names. Secrets stay in the process. */
import type { Config } from '../config.ts';
import type { DesiredConnection } from '../state/desired.ts';

export function desiredFromConfig(config: Config): DesiredConnection[] {
  return config.connections.map(({ id, platform, enabled, options, lateReply, fingerprint, mac }) => ({
    id,
    platform,
    enabled,
    options,
    lateReply,
    fingerprint,
    source: 'config',
    mac,
  }));
}
