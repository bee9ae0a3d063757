/** The adapter's hold and sender against the emulated platform, over real sockets. */

import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { createQqAdapter } from '../../src/adapters/qq/index.ts';
import { systemClock } from '../../src/async/clock.ts';
import { connectionId, type InboundEvent, type OutboundPart } from '../../src/model.ts';
import { type QqEmulator, type QqOptions, startQq } from '../emulators/qq/index.ts';
import { type HeldQq, type HoldQqOptions, holdQq } from '../support/qq-hold.ts';

const running: { qq: QqEmulator; held: HeldQq[] }[] = [];

async function platform(options: QqOptions = {}) {
  const qq = await startQq({ heartbeatIntervalMs: 1_000, identifyLimit: { maxConcurrency: 100 }, ...options });
  const entry = { qq, held: [] as HeldQq[] };
  running.push(entry);
  return {
    qq,
    hold: (given: HoldQqOptions = {}) => {
      const held = holdQq(qq, given);
      entry.held.push(held);
      return held;
    },
  };
}

afterEach(async () => {
  for (const { qq, held } of running.splice(0)) {
    for (const each of held) each.abort(new Error('the test is over'));
    await Promise.all(held.map((each) => each.done));
    await qq.close();
  }
});

const outcomes = { accepted: 'accepted' } as const;
const accepted = (entry: { readonly outcome: unknown }) => entry.outcome === outcomes.accepted;

function replyTo(event: InboundEvent, text: string, ordinal = 1): OutboundPart {
  if (event.conversation === null || event.reply === null) throw new Error('no message');
  return {
    id: `turn/${ordinal}`,
    conversation: event.conversation,
    text,
    reply: event.reply,
    ordinal,
    mode: 'passive',
  };
}

function senderFor(qq: QqEmulator, options: Record<string, number> = {}) {
  return createQqAdapter().createSender({
    connectionId: connectionId('qq-test'),
    options: { appId: qq.appId, apiBaseUrl: qq.apiBaseUrl, tokenUrl: qq.tokenUrl, ...options },
    secrets: { clientSecret: qq.clientSecret },
    clock: systemClock,
    log: pino({ level: 'silent' }),
  });
}

const never = new AbortController().signal;

describe('one message', () => {
  it('travels in from a private chat, and its reply out, once', async () => {
    const { qq, hold } = await platform();
    const held = hold();
    await held.live();
    const said = qq.user('ALICE').say('hello');
    await held.until('the message', () => held.sink.of('message').length === 1);
    const [event] = held.sink.of('message');
    expect(event).toMatchObject({ conversation: 'c2c:ALICE', text: 'hello', eventId: said.messageId });
    const sender = senderFor(qq);
    expect(await sender.send(replyTo(event as InboundEvent, 'echo: hello'), { signal: never })).toMatchObject({
      kind: 'sent',
    });
    expect(qq.journal.repliesTo(said.messageId).map((reply) => reply.text)).toEqual(['echo: hello']);
    expect(await sender.send(replyTo(event as InboundEvent, 'echo: hello'), { signal: never })).toEqual({
      kind: 'duplicate',
    });
  });
});
