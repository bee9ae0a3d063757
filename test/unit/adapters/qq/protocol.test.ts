import { describe, expect, it } from 'vitest';
import {
  DEFAULT_INTENTS,
  FALLBACK_HEARTBEAT_MS,
  heartbeatFrame,
  identifyFrame,
  readFrame,
  resumeFrame,
} from '../../../../src/adapters/qq/protocol.ts';

describe('frames of the platform', () => {
  // Examples of bot-docs, dev-prepare/interface-framework/{opcode,event-emit}.md.
  it.each([
    ['{"op":10,"d":{"heartbeat_interval":45000}}', { kind: 'hello', heartbeatEveryMs: 45_000, odd: false }],
    ['{"op":11}', { kind: 'ack' }],
    ['{"op":1}', { kind: 'beat-wanted' }],
    ['{"op":7}', { kind: 'reconnect' }],
    ['{"op":9,"d":false}', { kind: 'invalid-session', resumable: false }],
    ['{"op":9,"d":true}', { kind: 'invalid-session', resumable: true }],
    ['{"op":9}', { kind: 'invalid-session', resumable: false }],
    ['{"op":0,"s":2002,"t":"RESUMED","d":""}', { kind: 'dispatch', t: 'RESUMED', s: 2002, id: null, d: '' }],
    ['{"op":0,"id":"E:1","s":42,"t":"EVENT","d":{}}', { kind: 'dispatch', t: 'EVENT', s: 42, id: 'E:1', d: {} }],
    ['{"op":0,"id":7,"t":"EVENT"}', { kind: 'dispatch', t: 'EVENT', s: null, id: null, d: undefined }],
  ])('%s', (text, frame) => {
    expect(readFrame(text)).toEqual(frame);
  });

  it.each(['-5', '1.5', '1e300', '"7"', 'null', '{}', 'true'])('an event with the number %s keeps no place', (s) => {
    const frame = { kind: 'dispatch', t: 'EVENT', s: null, id: 'I', d: { a: 1 } };
    expect(readFrame(`{"op":0,"s":${s},"t":"EVENT","id":"I","d":{"a":1}}`)).toEqual(frame);
    expect(readFrame('{"op":0,"t":"EVENT","id":"I","d":{"a":1}}')).toEqual(frame);
  });

  it.each([
    ['', null],
    ['surely no JSON {', null],
    ['null', null],
    ['[1,2,3]', null],
    ['"text"', null],
    ['{"d":{}}', null],
    ['{"op":"0","s":3,"t":"EVENT"}', 3],
    ['{"op":0,"s":4}', 4],
    ['{"op":0,"s":5,"t":17}', 5],
    ['{"op":99,"d":{"new":"feature"},"s":6}', 6],
  ])('%s makes no sense, and is passed over at position %s', (text, s) => {
    expect(readFrame(text)).toMatchObject({ kind: 'malformed', s, why: expect.any(String) });
  });

  it.each(['{"op":10}', '{"op":10,"d":{"heartbeat_interval":0}}', '{"op":10,"d":{"heartbeat_interval":"45000"}}'])(
    '%s has no usable interval: a safe one is taken',
    (text) => {
      expect(readFrame(text)).toEqual({ kind: 'hello', heartbeatEveryMs: FALLBACK_HEARTBEAT_MS, odd: true });
    },
  );
});

describe('our frames', () => {
  it('are those of the documents', () => {
    expect(JSON.parse(identifyFrame('ACCESS_TOKEN', 33554432, [0, 1]))).toEqual({
      op: 2,
      d: { token: 'QQBot ACCESS_TOKEN', intents: 33554432, shard: [0, 1], properties: {} },
    });
    expect(JSON.parse(resumeFrame('ACCESS_TOKEN', '082ee18c', 1337))).toEqual({
      op: 6,
      d: { token: 'QQBot ACCESS_TOKEN', session_id: '082ee18c', seq: 1337 },
    });
    expect(heartbeatFrame(null)).toBe('{"op":1,"d":null}');
    expect(heartbeatFrame(251)).toBe('{"op":1,"d":251}');
  });

  it('ask by default for what any bot may have: bits 12, 25, 26 and 30', () => {
    expect(DEFAULT_INTENTS).toBe(1_174_409_216);
  });
});
