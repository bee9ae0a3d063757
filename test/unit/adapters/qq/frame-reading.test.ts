import { describe, expect, it } from 'vitest';
import { readFrame } from '../../../../src/adapters/qq/protocol.ts';

describe('reading a frame of the gateway', () => {
  it.each([
    ['{"op":11}', { kind: 'ack' }],
    ['{"op":11,"d":null}', { kind: 'ack' }],
    ['{"op":1}', { kind: 'beat-wanted' }],
    ['{"op":7}', { kind: 'reconnect' }],
    ['{"op":9}', { kind: 'invalid-session', resumable: false }],
    ['{"op":9,"d":true}', { kind: 'invalid-session', resumable: true }],
  ])('understands %s, with data or without', (frame, expected) => {
    expect(readFrame(frame)).toEqual(expected);
  });

  it.each([
    ['', 'an empty frame', null],
    ['no JSON {', 'no JSON', null],
    ['null', 'no gateway payload', null],
    ['[1]', 'no gateway payload', null],
    ['{"d":{},"s":7}', 'no gateway payload', 7],
    ['{"op":"0","s":8}', 'no gateway payload', 8],
    ['{"op":0,"s":9,"d":{}}', 'a dispatch without an event name', 9],
    ['{"op":99,"d":1}', 'unknown opcode 99', null],
  ])('says of %s what is wrong, and keeps its place in the numbering', (frame, why, s) => {
    expect(readFrame(frame)).toEqual({ kind: 'malformed', why, s });
  });
});
