import { describe, expect, it } from 'vitest';
import { whyNotDial } from '../../../../src/adapters/qq/gateway-address.ts';

const OWN = { apiBaseUrl: 'https://api.sgroup.qq.com' };
const RELAY = { apiBaseUrl: 'https://qq.relay.example' };

describe('the gateway (M8)', () => {
  it.each([
    [OWN, 'wss://api.sgroup.qq.com/websocket'],
    [{ apiBaseUrl: 'https://sandbox.api.sgroup.qq.com' }, 'wss://sandbox.api.sgroup.qq.com/websocket'],
    // A relay that hands on what the platform says.
    [RELAY, 'wss://api.sgroup.qq.com/websocket'],
    [RELAY, 'wss://gw.relay.example:8443/'],
    [{ ...RELAY, gatewayHosts: ['10.1.2.3'] }, 'wss://10.1.2.3/'],
    [{ apiBaseUrl: 'http://10.0.0.1:8080' }, 'ws://10.0.0.1:8081/'],
  ])('%j may be %s', (origin, url) => {
    expect(whyNotDial(url, origin)).toBeNull();
  });

  it.each([
    [
      OWN,
      'ws://api.sgroup.qq.com/websocket',
      /^ws:\/\/api\.sgroup\.qq\.com is not encrypted and api\.sgroup\.qq\.com is/,
    ],
    [RELAY, 'ws://api.sgroup.qq.com/websocket', /is not encrypted and qq\.relay\.example is/],
    [{ ...OWN, gatewayHosts: ['evil.test'] }, 'ws://evil.test/', /is not encrypted/],
    [
      OWN,
      'wss://evil.test/?token=secret',
      /^evil\.test does not belong to api\.sgroup\.qq\.com: if it is right, add its host to gatewayHosts/,
    ],
    [OWN, `wss://evil.test/${'x'.repeat(3_000)}`, /^it is no URL$/],
    [OWN, 'nowhere', /^it is no URL$/],
  ])('%j may not be %s', (origin, url, words) => {
    const reason = whyNotDial(url, origin);
    expect(reason).toMatch(words);
    expect(reason).not.toContain('secret');
  });
});
