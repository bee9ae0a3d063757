import { describe, expect, it } from 'vitest';
import { sharedTransportsBy, transportsBy } from '../../../src/run/transports.ts';

const config = { proxyEnvironment: {} } as Parameters<typeof transportsBy>[0];
const secrets = (proxy?: string) => (proxy === undefined ? {} : { proxy });

describe('transports', () => {
  it('are one for all senders of a proxy, and of none', () => {
    const open = sharedTransportsBy(config);
    expect(open(secrets())).toBe(open(secrets()));
    expect(open(secrets('http://127.0.0.1:1'))).toBe(open(secrets('http://127.0.0.1:1')));
    expect(open(secrets('http://127.0.0.1:1'))).not.toBe(open(secrets('http://127.0.0.1:2')));
    expect(open(secrets('http://127.0.0.1:1')).routeOf('https://api.example/')).toContain('127.0.0.1:1');
  });

  it('are each its own for tenures, which end them', () => {
    const open = transportsBy(config);
    expect(open(secrets())).not.toBe(open(secrets()));
  });
});
