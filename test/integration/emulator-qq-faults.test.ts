import { describe, expect, it } from 'vitest';
import { type Garbage, type QqEmulator, type QqOptions, startQq } from '../emulators/qq/index.ts';
import { dial, get, identify, post, ready, resume, send, tokenOf } from '../emulators/qq/raw-calls.ts';
import type { RawClient } from '../emulators/qq/raw-client.ts';

const roomy: QqOptions = { identifyLimit: { maxConcurrency: 100 } };

/** Texts of the messages a client has received, in order. */
function heard(client: RawClient): string[] {
  return client.frames.filter((frame) => frame.t === 'C2C_MESSAGE_CREATE').map((frame) => frame.d?.content);
}

/** A beat answered proves that everything sent before it has arrived. */
async function settled(client: RawClient): Promise<void> {
  const acks = () => client.frames.filter((frame) => frame.op === 11).length;
  const before = acks();
  client.send({ op: 1, d: null });
  await client.until(() => acks() > before);
}

function reply(qq: QqEmulator, messageId: string, seq = 1) {
  const body = { msg_type: 0, content: 'answer', msg_id: messageId, msg_seq: seq };
  return send(qq, '/v2/users/ALICE/messages', body);
}

describe('dial faults', () => {
  it('refuseDials closes the port and leaves open sockets alone; acceptDials brings the same port back', async () => {
    await using qq = await startQq();
    const { client, sessionId } = await ready(qq);
    await qq.faults.refuseDials();
    await expect(tokenOf(qq)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
    expect((await dial(qq).end()).code).toBe(1006);
    await settled(client);
    await qq.faults.acceptDials();
    await (await resume(qq, sessionId, 1)).frame(0, 'RESUMED');
  });

  it('refuseDials can hit the gateway alone', async () => {
    await using qq = await startQq();
    await qq.faults.refuseDials('gateway');
    expect((await get(qq, '/users/@me')).status).toBe(200);
    expect((await dial(qq).end()).code).toBe(1006);
    expect(qq.journal.count('dial')).toBe(0);
  });

  it('blackHoleDials accepts TCP and never answers the upgrade', async () => {
    await using qq = await startQq();
    const order = qq.faults.blackHoleDials({ times: 1 });
    const hole = dial(qq);
    await qq.journal.waitForKind('dial', (entry) => entry.outcome === 'black-hole');
    expect(order.hits).toBe(1);
    await (await dial(qq)).frame(10);
    expect(hole.closed).toBeNull();
  });

  it('noHello, swallowIdentify and refuseUpgrade leave the client waiting or refused', async () => {
    await using qq = await startQq();
    qq.faults.noHello({ times: 1 });
    const mute = dial(qq);
    await qq.journal.waitForKind('dial', (entry) => entry.outcome === 'no-hello');
    qq.faults.swallowIdentify({ times: 1 });
    const swallowed = await identify(qq);
    await qq.journal.waitForKind('identify', (entry) => entry.outcome === 'swallowed');
    await settled(swallowed);
    expect(swallowed.frames.map((frame) => frame.op)).toEqual([10, 11]);
    expect(mute.frames).toEqual([]);
    qq.faults.refuseUpgrade(502, { times: 1 });
    expect((await dial(qq).end()).code).toBe(1006);
  });
});

describe('authentication faults', () => {
  it('refuseIdentify sends op 9 false, then closes 4903', async () => {
    await using qq = await startQq();
    qq.faults.refuseIdentify({ times: 1, closeAfterMs: 10 });
    const client = await identify(qq);
    expect((await client.frame(9)).d).toBe(false);
    expect((await client.end()).code).toBe(4903);
    await ready(qq);
  });

  it('op9 answers Resume: true keeps the session, false drops it', async () => {
    await using qq = await startQq();
    const { sessionId } = await ready(qq);
    qq.faults.op9({ resumable: true, times: 1 });
    const first = await resume(qq, sessionId, 1);
    expect((await first.frame(9)).d).toBe(true);
    expect((await first.end()).code).toBe(4009);
    await (await resume(qq, sessionId, 1)).frame(0, 'RESUMED');
    qq.faults.op9({ resumable: false, times: 1, thenClose: null });
    const second = await resume(qq, sessionId, 1);
    expect((await second.frame(9)).d).toBe(false);
    await settled(second);
    expect((await (await resume(qq, sessionId, 1)).end()).code).toBe(4006);
  });

  it('closeOnAuth and staleSession close with their codes', async () => {
    await using qq = await startQq(roomy);
    const { sessionId } = await ready(qq);
    qq.faults.closeOnAuth(4902, { at: 'resume', times: 1 });
    expect((await (await resume(qq, sessionId, 1)).end()).code).toBe(4902);
    qq.faults.closeOnAuth(4004, { at: 'resume', times: 1, opNineFirst: true });
    const refused = await resume(qq, sessionId, 1);
    await refused.frame(9);
    expect((await refused.end()).code).toBe(4004);
    qq.faults.staleSession({ times: 1 });
    expect((await (await resume(qq, sessionId, 1)).end()).code).toBe(4006);
    const banned = qq.faults.closeOnAuth(4915);
    expect((await (await identify(qq)).end()).code).toBe(4915);
    banned.clear();
    await ready(qq);
  });

  it('resumeThenDrop accepts and drops, with or without RESUMED', async () => {
    await using qq = await startQq();
    const { sessionId } = await ready(qq);
    qq.faults.resumeThenDrop({ times: 1, afterMs: 5 });
    qq.faults.resumeThenDrop({ times: 1, afterMs: 5, how: 'rst', sendResumed: false });
    const first = await resume(qq, sessionId, 1);
    await first.frame(0, 'RESUMED');
    expect((await first.end()).code).toBe(4009);
    const second = await resume(qq, sessionId, 1);
    expect((await second.end()).code).toBe(1006);
    expect(second.frames.map((frame) => frame.t)).not.toContain('RESUMED');
    await (await resume(qq, sessionId, 1)).frame(0, 'RESUMED');
  });

  it('deafResume resumes a session that never speaks again, until Identify', async () => {
    await using qq = await startQq(roomy);
    const { sessionId } = await ready(qq);
    qq.faults.deafResume({ times: 1 });
    const deaf = await resume(qq, sessionId, 1);
    await deaf.frame(0, 'RESUMED');
    qq.user('ALICE').say('unheard');
    await settled(deaf);
    expect(heard(deaf)).toEqual([]);
    expect(qq.view().live).toBe(false);
    const again = await resume(qq, sessionId, 1);
    await again.frame(0, 'RESUMED');
    expect(heard(again)).toEqual([]);
    const { client } = await ready(qq);
    qq.user('ALICE').say('heard');
    await client.frame(0, 'C2C_MESSAGE_CREATE');
  });

  it('replayOverlap repeats handled events, gap loses missed ones', async () => {
    await using qq = await startQq();
    const { client, sessionId } = await ready(qq);
    for (const text of ['a', 'b', 'c', 'd']) qq.user('ALICE').say(text);
    await client.until(() => heard(client).length === 4);
    qq.faults.replayOverlap(2, { times: 1 });
    const overlap = await resume(qq, sessionId, 4);
    await overlap.frame(0, 'RESUMED');
    expect(heard(overlap)).toEqual(['b', 'c', 'd']);
    qq.faults.gap(1, { times: 1 });
    const gap = await resume(qq, sessionId, 3);
    await gap.frame(0, 'RESUMED');
    expect(heard(gap)).toEqual(['d']);
  });

  it('forgetSessions makes the next Resume fail while the socket lives', async () => {
    await using qq = await startQq();
    const { client, sessionId } = await ready(qq);
    qq.faults.forgetSessions();
    await settled(client);
    expect((await (await resume(qq, sessionId, 1)).end()).code).toBe(4006);
  });
});

describe('socket faults', () => {
  it.each([
    [{ how: 'rst' } as const, 1006],
    [{ how: 'fin' } as const, 1006],
    [{ how: 'close', code: 1000 } as const, 1000],
    [{ how: 'close', code: null } as const, 1005],
    [{ how: 'close', code: 4914 } as const, 4914],
  ])('dropSockets %j is seen as %i', async (drop, code) => {
    await using qq = await startQq();
    const { client } = await ready(qq);
    expect(qq.faults.dropSockets(drop)).toBe(1);
    expect((await client.end()).code).toBe(code);
    expect(qq.liveSockets()).toBe(0);
    expect(await qq.journal.waitForKind('close')).toMatchObject({ by: 'platform' });
  });

  it('halfOpen sockets neither read nor write nor end, and new dials work', async () => {
    await using qq = await startQq({ heartbeatIntervalMs: 60 });
    const { client, sessionId } = await ready(qq);
    expect(qq.faults.halfOpen()).toBe(1);
    const frames = client.frames.length;
    client.send({ op: 1, d: null });
    client.ping();
    client.onPong(() => client.oddities.push('pong'));
    qq.user('ALICE').say('missed');
    expect(qq.liveSockets()).toBe(0);
    expect(qq.view()).toMatchObject({ live: false, sockets: [{ conduct: 'frozen', responsive: false }] });
    const again = await resume(qq, sessionId, 1);
    await again.frame(0, 'RESUMED');
    expect(heard(again)).toEqual(['missed']);
    // The new socket gets 4009 for its missing beats; the half-open one gets nothing, not even that.
    expect((await again.end()).code).toBe(4009);
    expect(client).toMatchObject({ closed: null, oddities: [] });
    expect(client.frames).toHaveLength(frames);
    expect(qq.journal.count('heartbeat')).toBe(0);
  });

  it('noAcks withholds ACKs and events; acksOnly events alone, which Resume then brings', async () => {
    await using qq = await startQq(roomy);
    const { client, sessionId } = await ready(qq);
    qq.faults.noAcks();
    let pongs = 0;
    client.onPong(() => pongs++);
    client.send({ op: 1, d: null });
    client.ping();
    await expect.poll(() => pongs).toBe(1);
    expect(await qq.journal.waitForKind('heartbeat')).toMatchObject({ acked: false });
    expect(client.frames.map((frame) => frame.op)).toEqual([10, 0]);
    const second = await resume(qq, sessionId, 1);
    await second.frame(0, 'RESUMED');
    qq.faults.acksOnly();
    qq.user('ALICE').say('withheld');
    await settled(second);
    expect(heard(second)).toEqual([]);
    const third = await resume(qq, sessionId, 2);
    await third.frame(0, 'RESUMED');
    expect(heard(third)).toEqual(['withheld']);
  });

  it('conductOfNewSockets zombifies sockets to come', async () => {
    await using qq = await startQq(roomy);
    qq.faults.conductOfNewSockets('acks-only', { times: 1 });
    const { client } = await ready(qq);
    qq.user('ALICE').say('withheld');
    await settled(client);
    expect(heard(client)).toEqual([]);
    qq.faults.behaveAgain();
    qq.user('ALICE').say('heard');
    await client.until(() => heard(client).length === 1);
  });

  it('op7 is followed by 4009, or by nothing', async () => {
    await using qq = await startQq();
    const { client } = await ready(qq);
    qq.faults.op7({ close: null });
    await client.frame(7);
    await settled(client);
    expect(client.closed).toBeNull();
    qq.faults.op7({ close: { code: 4009, afterMs: 10 } });
    expect(await client.end()).toEqual({ code: 4009, reason: 'Session timed out' });
  });

  it('lateClose ends the old socket only after the new one is ready', async () => {
    await using qq = await startQq();
    const { client, sessionId } = await ready(qq);
    qq.faults.lateClose();
    await client.frame(7);
    const newer = await resume(qq, sessionId, 1);
    await newer.frame(0, 'RESUMED');
    expect((await client.end()).code).toBe(4009);
    qq.user('ALICE').say('on the new one');
    await newer.until(() => heard(newer).length === 1);
  });

  it('idleProxy drops silent sockets only', async () => {
    await using qq = await startQq({ ...roomy, heartbeatIntervalMs: 1000 });
    const [{ client: silent }, { client: chatty }] = await Promise.all([ready(qq), ready(qq)]);
    const beat = setInterval(() => chatty.ping(), 20);
    qq.faults.idleProxy({ afterMs: 400, how: 'rst' });
    expect((await silent.end()).code).toBe(1006);
    expect(chatty.closed).toBeNull();
    clearInterval(beat);
  });

  it('serverHeartbeat asks for a beat', async () => {
    await using qq = await startQq();
    const { client } = await ready(qq);
    qq.faults.serverHeartbeat();
    expect(await client.frame(1)).toEqual({ op: 1 });
  });

  it('duplicate pushes one message twice, under a new number or the same', async () => {
    await using qq = await startQq();
    const { client } = await ready(qq);
    qq.faults.duplicate({ times: 1 });
    qq.faults.duplicate({ times: 1, seq: 'same' });
    const [one, two] = [qq.user('ALICE').say('one'), qq.user('ALICE').say('two')];
    await client.until(() => heard(client).length === 4);
    const seen = client.frames
      .filter((frame) => frame.t === 'C2C_MESSAGE_CREATE')
      .map((frame) => [frame.s, frame.d.id]);
    expect(seen).toEqual([
      [2, one.messageId],
      [3, one.messageId],
      [4, two.messageId],
      [4, two.messageId],
    ]);
  });

  it('switchToWebhook goes quiet without a close', async () => {
    await using qq = await startQq();
    const { client, sessionId } = await ready(qq);
    qq.faults.switchToWebhook();
    qq.user('ALICE').say('elsewhere');
    await settled(client);
    await qq.faults.clear();
    const again = await resume(qq, sessionId, 1);
    await again.frame(0, 'RESUMED');
    expect(heard(again)).toEqual([]);
  });

  it('garbage of every kind reaches the client, and numbered kinds take a number', async () => {
    await using qq = await startQq();
    const { client } = await ready(qq);
    const kinds: Garbage[] = [
      'text',
      'json-array',
      'json-null',
      'empty',
      'binary',
      'no-op',
      'unknown-op',
      'unknown-event',
    ];
    kinds.push('null-data', 'string-timestamp', 'broken-timestamp', 'huge');
    for (const kind of kinds) qq.faults.garbage(kind);
    await client.until(() => client.frames.length + client.oddities.length === 2 + kinds.length);
    expect(client.oddities).toHaveLength(3);
    const numbers = client.frames.filter((frame) => frame?.op === 0).map((frame) => frame.s);
    expect(numbers).toEqual([1, 2, 3, 4, 5, 6]);
    expect(JSON.stringify(client.frames.at(-1)).length).toBeGreaterThan(2_000_000);
  });

  it('hit one bot of several', async () => {
    await using qq = await startQq({ bots: [{ appId: '2', clientSecret: 'two' }] });
    const { client } = await ready(qq);
    const { body } = await post(qq.tokenUrl, { appId: '2', clientSecret: 'two' });
    const other = await identify(qq, { token: `QQBot ${body.access_token}` });
    await other.frame(0, 'READY');
    expect(qq.faults.close(4009, undefined, { appId: '2' })).toBe(1);
    expect((await other.end()).code).toBe(4009);
    await settled(client);
    qq.bot('2').user('ALICE').say('for two');
    expect(qq.journal.of('event').at(-1)?.sessions).toMatchObject([{ sent: false }]);
  });
});

describe('discovery faults', () => {
  it('come as HTML, frequency limit, or a URL where nobody listens', async () => {
    await using qq = await startQq();
    qq.faults.gatewayError('html', { times: 1 });
    qq.faults.gatewayError('rate-limit', { times: 1 });
    qq.faults.gatewayError('dead-url', { times: 1 });
    expect(await get(qq, '/gateway/bot')).toMatchObject({ status: 500, body: undefined });
    expect((await get(qq, '/users/@me')).status).toBe(200);
    expect(await get(qq, '/gateway')).toMatchObject({ status: 400, body: { message: '接口调用超过频率限制' } });
    expect((await get(qq, '/gateway')).body.url).toBe('ws://127.0.0.1:1/websocket/');
  });
});

describe('send faults', () => {
  it('sendLost delivers and resets; the retry is a duplicate', async () => {
    await using qq = await startQq();
    const said = qq.user('ALICE').say('q');
    qq.faults.sendLost({ times: 1 });
    await expect(reply(qq, said.messageId)).rejects.toThrow();
    expect((await reply(qq, said.messageId)).body.code).toBe(40054005);
    expect(qq.journal.repliesTo(said.messageId)).toHaveLength(1);
  });

  it('sendFail delivers nothing; the retry works unless the msg_seq was used up', async () => {
    await using qq = await startQq();
    const said = qq.user('ALICE').say('q');
    qq.faults.sendFail({ times: 1 });
    expect(await reply(qq, said.messageId)).toMatchObject({ status: 502, body: undefined });
    expect((await reply(qq, said.messageId)).status).toBe(200);
    qq.faults.sendFail({ times: 1, consumesSeq: true });
    await reply(qq, said.messageId, 2);
    expect((await reply(qq, said.messageId, 2)).body.code).toBe(40054005);
    expect(qq.journal.repliesTo(said.messageId)).toHaveLength(1);
  });

  it('send429, sendError, sendEmpty and sendPhantom answer as ordered', async () => {
    await using qq = await startQq();
    const said = qq.user('ALICE').say('q');
    qq.faults.send429({ times: 1, retryAfter: 2 });
    qq.faults.sendError(40054010, { times: 1 });
    qq.faults.sendError(40034006, { times: 1, status: 200 });
    const limited = await reply(qq, said.messageId);
    expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '2']);
    expect(await reply(qq, said.messageId)).toMatchObject({ status: 400, body: { code: 40054010 } });
    expect(await reply(qq, said.messageId)).toMatchObject({ status: 200, body: { code: 40034006 } });
    qq.faults.sendPhantom({ times: 1 });
    expect((await reply(qq, said.messageId, 1)).body.id).toMatch(/^ROBOT1\.0_/);
    expect(qq.journal.delivered()).toEqual([]);
    qq.faults.sendEmpty({ times: 1 });
    expect(await reply(qq, said.messageId, 2)).toMatchObject({ status: 200, text: '' });
    expect(qq.journal.delivered()).toHaveLength(1);
  });

  it('sendDrip sends a whole body slowly', async () => {
    await using qq = await startQq();
    const said = qq.user('ALICE').say('q');
    qq.faults.sendDrip({ times: 1, overMs: 300 });
    const startedAt = performance.now();
    expect((await reply(qq, said.messageId)).body.id).toMatch(/^ROBOT1\.0_/);
    expect(performance.now() - startedAt).toBeGreaterThan(150);
  });

  it('sendAudit answers 202 and passes, rejects, or keeps silent later', async () => {
    await using qq = await startQq();
    const { client } = await ready(qq, { intents: (1 << 25) | (1 << 27) });
    const said = qq.user('ALICE').say('q');
    qq.faults.sendAudit({ times: 1, afterMs: 1 });
    qq.faults.sendAudit({ times: 1, afterMs: 1, outcome: 'reject' });
    const passed = await reply(qq, said.messageId, 1);
    expect(passed).toMatchObject({ status: 202, body: { code: 304024 } });
    const pass = await client.frame(0, 'MESSAGE_AUDIT_PASS');
    expect(pass.d.audit_id).toBe(passed.body.data.message_audit.audit_id);
    await reply(qq, said.messageId, 2);
    await client.frame(0, 'MESSAGE_AUDIT_REJECT');
    expect(qq.journal.repliesTo(said.messageId)).toHaveLength(1);
  });

  it('can be aimed at one scene or chat, after a number of sends', async () => {
    await using qq = await startQq();
    const said = qq.user('ALICE').say('q');
    qq.faults.sendError(40054003, { scene: 'group' });
    const later = qq.faults.sendError(40034100, { chatId: 'ALICE', after: 1, times: 1 });
    expect((await reply(qq, said.messageId, 1)).status).toBe(200);
    expect((await reply(qq, said.messageId, 2)).body.code).toBe(40034100);
    expect(later.hits).toBe(1);
    expect((await reply(qq, said.messageId, 2)).status).toBe(200);
  });
});
