import { describe, expect, it } from 'vitest';
import { callerOf } from '../../../src/web/callers.ts';

describe('a caller', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['127.0.0.1', 'this machine'],
    ['127.200.3.4', 'this machine'],
    ['::ffff:127.0.0.9', 'this machine'],
    ['::1', 'this machine'],
    ['2001:db8:0:1:2:3:4:5', '2001:db8:0:1::/64'],
    ['2001:db8::5', '2001:db8:0:0::/64'],
    ['2001:0DB8:0:0001::', '2001:db8:0:1::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::2', '0:0:0:0::/64'],
    [undefined, 'gone'],
  ])('%s is %s (L2)', (address, caller) => {
    expect(callerOf(address)).toBe(caller);
  });

  it('is the same for all addresses of a network of 2^64, and another one for the next network', () => {
    const names = ['::1', '::ffff:1', ':1:2:3:4', ':dead:beef::'].map((end) => callerOf(`2001:db8:7:8${end}`));
    expect(new Set(names).size).toBe(1);
    expect(callerOf('2001:db8:7:9::1')).not.toBe(names[0]);
  });
});
