import { describe, expect, it } from 'vitest';
import { followable } from '../../../src/http/followable.ts';

const judged = (from: string, to: string, others?: readonly string[]) => followable(new URL(from), new URL(to), others);

describe('an address that somebody gave us (M8)', () => {
  it.each([
    // What QQ really does.
    ['https://api.sgroup.qq.com', 'wss://api.sgroup.qq.com/websocket'],
    ['https://sandbox.api.sgroup.qq.com', 'wss://sandbox.api.sgroup.qq.com/websocket'],
    ['https://api.bot.qq.com', 'wss://api.sgroup.qq.com/websocket'],
    ['https://api.example.co.uk', 'wss://gw.example.co.uk:8443/'],
    ['https://api.example.com.', 'wss://GW.EXAMPLE.COM/'],
    ['http://api.example.com', 'ws://gw.example.com/'],
    ['http://api.example.com', 'wss://gw.example.com/'],
    ['http://10.0.0.1:80', 'ws://10.0.0.1:81/'],
    ['https://[fd00::1]', 'wss://[fd00::1]:444/'],
    ['http://localhost:80', 'ws://127.0.0.1:81/'],
    ['http://127.0.0.1', 'ws://[::1]:81/'],
    ['http://qq-relay:80', 'ws://qq-relay:81/'],
  ])('of %s may be %s', (from, to) => {
    expect(judged(from, to)).toBe('yes');
  });

  it.each([
    ['https://api.sgroup.qq.com', 'ws://api.sgroup.qq.com/websocket'],
    ['https://api.sgroup.qq.com', 'http://api.sgroup.qq.com/'],
    ['wss://127.0.0.1', 'ws://127.0.0.1/'],
    ['https://api.example.com', 'ws://evil.example/'],
  ])('of %s may not be less protected: %s', (from, to) => {
    expect(judged(from, to, ['evil.example', 'api.sgroup.qq.com'])).toBe('less-protected');
  });

  it.each([
    ['https://api.sgroup.qq.com', 'wss://evil.example/'],
    ['https://api.sgroup.qq.com', 'wss://api.sgroup.qq.com.evil.example/'],
    ['https://api.sgroup.qq.com', 'wss://evilqq.com/'],
    ['https://api.sgroup.qq.com', 'wss://api.sgroup.qq.com@evil.example/'],
    ['https://api.sgroup.qq.com', 'wss://127.0.0.1/'],
    ['https://api.example.co.uk', 'wss://gw.other.co.uk/'],
    ['https://one.github.io', 'wss://two.github.io/'],
    ['https://github.io', 'wss://one.github.io/'],
    ['https://com', 'wss://evil.com/'],
    ['http://10.0.0.1', 'ws://10.0.0.2/'],
    ['http://127.0.0.1', 'ws://2130706434.example/'],
    ['https://[fd00::1]', 'wss://[fd00::2]/'],
    ['http://localhost', 'ws://10.0.0.1/'],
    ['http://relay', 'ws://other/'],
    ['http://127.0.0.1', 'ws://127.0.0.1.example.com/'],
  ])('of %s may not be of another owner: %s', (from, to) => {
    expect(judged(from, to)).toBe('elsewhere');
  });

  it('may be elsewhere where the configuration says so, to that host and no other', () => {
    expect(judged('https://api.example.com', 'wss://gw.other.org:8443/', ['GW.other.org'])).toBe('yes');
    expect(judged('https://api.example.com', 'wss://gw2.other.org/', ['gw.other.org'])).toBe('elsewhere');
    expect(judged('http://10.0.0.1', 'ws://[fd00::2]/', ['fd00::2'])).toBe('yes');
  });
});
