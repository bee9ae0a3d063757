import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { InboundEvent, JsonValue } from '../../../src/model.ts';
import { decodeEntry, encodeEvent, markRetried } from '../../../src/state/ingest.ts';
import { message, QQ } from '../../support/inbound.ts';

const text = fc.string({ unit: 'grapheme' });
const event: fc.Arbitrary<InboundEvent> = fc.record({
  kind: fc.constant('message' as const),
  eventId: fc.option(text),
  conversation: text,
  sender: fc.option(fc.record({ id: text, name: fc.option(text) })),
  text,
  attachments: fc.array(fc.record({ contentType: text, url: text, name: fc.option(text) }), { maxLength: 2 }),
  platformAt: fc.option(fc.nat()),
  receivedAt: fc.nat(),
  reply: fc.option(
    fc.record({
      key: text,
      deadlineAt: fc.option(fc.nat()),
      quota: fc.option(fc.nat()),
      // -0 is 0 in JSON.
      address: fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as JsonValue),
    }),
  ),
  raw: fc.oneof(text, fc.constant('{"a":\n"b\\n"}\n')),
});

/** In a group, whose entries name the person. */
const inGroup = event.map((given): InboundEvent => ({ ...given, group: true }));

/** As platforms send it: what the header says stands in the payload, some of it escaped. */
const quoted = event.map((given): InboundEvent => {
  const said = { id: given.eventId, of: given.sender, content: given.text, to: given.reply?.address ?? null };
  return { ...given, raw: JSON.stringify(said) };
});

describe('a lane entry', () => {
  it('gives back the event as it was stored, raw payload and all', () => {
    fc.assert(
      fc.property(fc.oneof(event, inGroup, quoted), (given) => {
        expect(decodeEntry(encodeEvent(QQ, given, null).entry)).toEqual(given);
      }),
    );
  });

  it('keeps everything when a person takes it back from the dead letters', () => {
    fc.assert(
      fc.property(fc.oneof(event, inGroup, quoted), (given) => {
        expect(decodeEntry(markRetried(encodeEvent(QQ, given, null).entry))).toEqual({ ...given, retried: true });
      }),
    );
  });

  it('says of long texts only where they stand in the payload', () => {
    const person = 'A1B2C3D4E5F6A7B8C9D0E1F2A3B4C5D6';
    const text = 'hello there, what is the weather like where you are today?';
    const given = message('ROBOT1.0_1234567890', `c2c:${person}`, {
      sender: { id: person, name: null },
      text,
      reply: { key: 'ROBOT1.0_1234567890', deadlineAt: 1, quota: 4, address: { scene: 'c2c', openid: person } },
      raw: `{"id":"ROBOT1.0_1234567890","author":{"id":"${person}"},"content":"${text}"}`,
    });
    const { entry } = encodeEvent(QQ, given, null);
    expect(decodeEntry(entry)).toEqual(given);
    for (const long of [person, text, 'ROBOT1.0_1234567890']) expect(entry.split(long)).toHaveLength(2);
  });

  it('ends its header with a digest of who wrote it, in groups alone (M1)', () => {
    const digestOf = (id: string | null, change: Partial<InboundEvent> = { group: true }) => {
      const sender = id === null ? null : { id, name: 'Ann' };
      const { entry } = encodeEvent(QQ, message('1', 'group:g', { sender, ...change }), null);
      return [entry, markRetried(entry)].map((text) => /,"([\w-]{8})"]$/.exec(text.slice(0, text.indexOf('\n')))?.[1]);
    };
    const [ann, retried] = digestOf('ann');
    expect(ann).toBeDefined();
    expect(retried).toBe(ann);
    expect(digestOf('ann', { group: true, text: 'else', reply: null })[0]).toBe(ann);
    expect(digestOf('bob')[0]).not.toBe(ann);
    expect(digestOf(null)[0]).toBeDefined();
    expect(digestOf('ann', {})).toEqual([undefined, undefined]);
  });

  it('cuts what is kept aside, and only that, at 64 Ki characters', () => {
    const raw = 'x'.repeat(70_000);
    expect(decodeEntry(encodeEvent(QQ, message('1', 'c', { raw }), null).entry).raw).toBe(raw);
    expect(decodeEntry(encodeEvent(QQ, message('1', 'c', { raw, kind: 'unknown' }), null).entry).raw).toHaveLength(
      65_536,
    );
  });

  it('names one lane per conversation and connection', () => {
    const lane = (conversation: string) => encodeEvent(QQ, message('1', conversation), null).lane;
    expect(lane('a')).toBe(lane('a'));
    expect(lane('a')).not.toBe(lane('b'));
    expect(lane('a')).toMatch(/^[0-9a-f]{24}$/);
  });
});
