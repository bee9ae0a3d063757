/** The sender against the emulated platform: what it says became of a send, and what users really saw. */
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import type { Sender } from '../../src/adapters/adapter.ts';
import { createQqAdapter } from '../../src/adapters/qq/index.ts';
import { systemClock } from '../../src/async/clock.ts';
import { connectionId, type OutboundPart, type SendOutcome } from '../../src/model.ts';
import { type QqEmulator, type QqOptions, type Said, startQq } from '../emulators/qq/index.ts';
import { ready } from '../emulators/qq/raw-calls.ts';
import { openDirect } from '../support/direct-transport.ts';

const running: QqEmulator[] = [];
afterEach(async () => {
  for (const qq of running.splice(0)) await qq.close();
});

const signal = new AbortController().signal;

function senderOf(qq: QqEmulator, change: { readonly secret?: string } = {}): Sender {
  return createQqAdapter().createSender({
    connectionId: connectionId('qq-test'),
    options: { appId: qq.appId, apiBaseUrl: qq.apiBaseUrl, tokenUrl: qq.tokenUrl, sendTimeoutMs: 300 },
    secrets: { clientSecret: change.secret ?? qq.clientSecret },
    transport: openDirect(),
    clock: systemClock,
    log: pino({ level: 'silent' }),
  });
}

async function platform(options: QqOptions = {}) {
  const qq = await startQq(options);
  running.push(qq);
  return { qq, sender: senderOf(qq) };
}

/** Guild sends need a bot that is online. */
async function online(qq: QqEmulator): Promise<void> {
  await ready(qq);
}

function replyTo(said: Said, ordinal = 1, mode: OutboundPart['mode'] = 'passive'): OutboundPart {
  return {
    id: `turn/${ordinal}`,
    conversation: `${said.chat.scene}:${said.chat.id}`,
    text: `part ${ordinal}`,
    reply: { key: said.messageId, deadlineAt: null, quota: null, address: null },
    ordinal,
    mode,
  };
}

function kinds(outcomes: readonly SendOutcome[]): string[] {
  return outcomes.map((outcome) => outcome.kind);
}

function texts(qq: QqEmulator): string[] {
  return qq.journal.delivered().map((message) => message.text);
}

describe('replies', () => {
  it('reach every scene', async () => {
    const { qq, sender } = await platform();
    await online(qq);
    const all = [
      qq.user('ALICE').say('hi'),
      qq.group('GROUP').atBot('MIA', 'hi'),
      qq.channel('200', '100').atBot('300', 'hi'),
      qq.dm('999').say('300', 'hi'),
    ];
    for (const said of all) {
      expect(await sender.send(replyTo(said), { signal })).toMatchObject({
        kind: 'sent',
        platformId: expect.any(String),
      });
      expect(qq.journal.repliesTo(said.messageId)).toHaveLength(1);
    }
  });

  it('are counted: one too many is too late', async () => {
    const { qq, sender } = await platform();
    const said = qq.user('ALICE').say('hi');
    const outcomes: SendOutcome[] = [];
    for (let n = 1; n <= 5; n += 1) outcomes.push(await sender.send(replyTo(said, n), { signal }));
    expect(kinds(outcomes)).toEqual(['sent', 'sent', 'sent', 'sent', 'too-late']);
  });

  it('after the window are too late', async () => {
    const { qq, sender } = await platform({ passiveWindowMs: { c2c: 1 } });
    const said = qq.user('ALICE').say('hi');
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await sender.send(replyTo(said), { signal })).toMatchObject({ kind: 'too-late', code: '40034128' });
  });

  it('that are too long are told apart, also where the platform says so with HTTP 500', async () => {
    const { qq, sender } = await platform({ maxTextLength: 3 });
    const said = qq.user('ALICE').say('hi');
    expect((await sender.send(replyTo(said), { signal })).kind).toBe('too-long');
    qq.faults.sendError(1000001, { status: 500, times: 1 });
    expect((await sender.send(replyTo(said), { signal })).kind).toBe('too-long');
  });

  it('to guilds wait while the bot is offline', async () => {
    const { qq, sender } = await platform();
    const said = qq.channel('200', '100').atBot('300', 'hi');
    expect(await sender.send(replyTo(said), { signal })).toMatchObject({ kind: 'retry', code: '304018' });
    await online(qq);
    expect((await sender.send(replyTo(said), { signal })).kind).toBe('sent');
  });
});

describe('a send whose answer does not come', () => {
  const faults: readonly [string, (qq: QqEmulator) => void][] = [
    ['is reset', (qq) => qq.faults.sendLost({ times: 1 })],
    ['hangs', (qq) => qq.faults.sendHang({ times: 1 })],
    ['is HTML with 502', (qq) => qq.faults.sendFail({ times: 1, delivered: true })],
    ['is empty', (qq) => qq.faults.sendEmpty({ times: 1 })],
    ['drips', (qq) => qq.faults.sendDrip({ times: 1, overMs: 5_000 })],
  ];

  it.each(faults)('because it %s is repeated under the same key, and seen once', async (_what, strike) => {
    const { qq, sender } = await platform();
    const said = qq.user('ALICE').say('hi');
    strike(qq);
    expect((await sender.send(replyTo(said), { signal })).kind).toBe('retry');
    expect((await sender.send(replyTo(said), { signal })).kind).toBe('duplicate');
    expect(texts(qq)).toEqual(['part 1']);
  });

  it.each(faults)('because it %s is unknown where no key protects a repeat', async (_what, strike) => {
    const { qq, sender } = await platform({ activeMessages: 'allowed' });
    await online(qq);
    const said = qq.user('ALICE').say('hi');
    strike(qq);
    expect((await sender.send(replyTo(said, 1, 'active'), { signal })).kind).toBe('unknown');
    const guild = qq.channel('200', '100').atBot('300', 'hi');
    strike(qq);
    expect((await sender.send(replyTo(guild), { signal })).kind).toBe('unknown');
    expect(texts(qq)).toHaveLength(2);
  });

  it('because nobody listens was not sent, whatever its kind', async () => {
    const { qq, sender } = await platform({ activeMessages: 'allowed' });
    const said = qq.user('ALICE').say('hi');
    expect((await sender.send(replyTo(said), { signal })).kind).toBe('sent');
    await qq.faults.refuseDials();
    expect(await sender.send(replyTo(said, 2, 'active'), { signal })).toMatchObject({
      kind: 'retry',
      reason: expect.stringContaining('ECONNREFUSED'),
    });
    await qq.faults.acceptDials();
    expect((await sender.send(replyTo(said, 2, 'active'), { signal })).kind).toBe('sent');
  });
});

describe('the platform’s refusals', () => {
  it('for the rate wait as told', async () => {
    const { qq, sender } = await platform();
    const said = qq.user('ALICE').say('hi');
    qq.faults.send429({ times: 1, retryAfter: 2 });
    expect(await sender.send(replyTo(said), { signal })).toMatchObject({ kind: 'rate-limited', afterMs: 2_000 });
    qq.faults.send429({ times: 1 });
    expect(await sender.send(replyTo(said), { signal })).toMatchObject({ kind: 'rate-limited', afterMs: null });
  });

  it('for an audit are no refusals', async () => {
    const { qq, sender } = await platform();
    const said = qq.user('ALICE').say('hi');
    qq.faults.sendAudit({ times: 1, outcome: 'never' });
    expect(await sender.send(replyTo(said), { signal })).toMatchObject({
      kind: 'pending-audit',
      auditId: expect.any(String),
    });
  });

  it('with HTTP 200 are refusals', async () => {
    const { qq, sender } = await platform();
    const said = qq.user('ALICE').say('hi');
    qq.faults.sendError(40034006, { status: 200, times: 1 });
    expect(await sender.send(replyTo(said), { signal })).toMatchObject({ kind: 'rejected', code: '40034006' });
  });

  it('of a revoked token are cured inside the same send', async () => {
    const { qq, sender } = await platform();
    const said = qq.user('ALICE').say('hi');
    expect((await sender.send(replyTo(said), { signal })).kind).toBe('sent');
    qq.faults.revokeTokens();
    expect((await sender.send(replyTo(said, 2), { signal })).kind).toBe('sent');
    expect(texts(qq)).toEqual(['part 1', 'part 2']);
  });

  it('of an unlisted address do not cost the token', async () => {
    const { qq, sender } = await platform();
    const said = qq.user('ALICE').say('hi');
    qq.faults.ipNotListed({ times: 1 });
    const asked = () => qq.journal.count('token');
    expect(await sender.send(replyTo(said), { signal })).toMatchObject({ kind: 'retry', afterMs: 60_000 });
    expect(asked()).toBe(1);
  });

  it('of the credentials are final, and name no secret', async () => {
    const { qq } = await platform();
    const said = qq.user('ALICE').say('hi');
    const outcome = await senderOf(qq, { secret: 'a-wrong-secret' }).send(replyTo(said), { signal });
    expect(outcome).toMatchObject({ kind: 'rejected', code: 'CREDENTIAL_REFUSED' });
    expect(JSON.stringify(outcome)).not.toContain('a-wrong-secret');
  });
});
