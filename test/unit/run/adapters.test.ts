/** Platforms stand in two lists, because configuration and adapters know nothing of each other: they must agree. */
import { describe, expect, it } from 'vitest';
import { PLATFORM_NAMES } from '../../../src/config/platforms.ts';
import { SECRET_KEYS } from '../../../src/config/secret-keys.ts';
import { createAdapters } from '../../../src/run/adapters.ts';
import { load } from '../config/load.ts';

/** The least that each platform must be told. */
const LEAST: Record<string, string> = {
  qq: 'appId: "102000000"\n    clientSecret: top-secret-value',
  telegram: 'token: "700000001:top-secret-value"',
};

describe('platforms', () => {
  it('that can be configured have an adapter, and the other way round', () => {
    expect([...createAdapters().keys()].sort()).toEqual([...PLATFORM_NAMES].sort());
    expect(Object.keys(LEAST).sort()).toEqual([...PLATFORM_NAMES].sort());
  });

  it.each(PLATFORM_NAMES)('%s: the adapter takes the options that the configuration makes', (platform) => {
    const text = `connections:\n  - id: main\n    platform: ${platform}\n    ${LEAST[platform]}\n`;
    const [connection] = load(text).connections;
    const adapter = createAdapters().get(platform);
    if (connection === undefined || adapter === undefined) expect.fail('no connection, or no adapter');
    expect(adapter.accountOf(connection.options)).toMatch(/./);
    expect(JSON.stringify(connection.options)).not.toContain('top-secret');
    expect(Object.values(connection.secrets).join()).toContain('top-secret');
    // A secret under another key would be neither masked nor readable from a file.
    expect(Object.keys(connection.secrets).filter((key) => !SECRET_KEYS.has(key))).toEqual([]);
  });
});
