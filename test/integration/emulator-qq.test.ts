import { describe, expect, it } from 'vitest';
import { type QqOptions, startQq } from '../emulators/qq/index.ts';
import { Intent } from '../emulators/qq/protocol.ts';
import { dial, get, identify, post, ready, resume, send, tokenOf } from '../emulators/qq/raw-calls.ts';

/** Room for many Identifies in one test. */
const roomy: QqOptions = { identifyLimit: { maxConcurrency: 100 } };

describe('token endpoint', () => {
  it('gives the same token with a shrinking string lifetime, then a new one in the overlap, both being valid', async () => {
    await using qq = await startQq({ tokenLifetimeMs: 1500, tokenOverlapMs: 1000 });
    const first = await post(qq.tokenUrl, { appId: qq.appId, clientSecret: qq.clientSecret });
    expect(first.status).toBe(200);
    expect(first.body.expires_in).toBe('1');
    expect(await tokenOf(qq)).toBe(first.body.access_token);
    await expect.poll(() => tokenOf(qq), { timeout: 3000 }).not.toBe(first.body.access_token);
    const old = await post(
      `${qq.apiBaseUrl}/users/@me`,
      undefined,
      { Authorization: `QQBot ${first.body.access_token}` },
      'GET',
    );
    expect(old.status).toBe(200);
    expect(qq.journal.of('token').map((entry) => entry.outcome)).toContain('same');
  });

  it('answers bad requests with HTTP 200 and a code', async () => {
    await using qq = await startQq();
    const codes = [
      await post(qq.tokenUrl, { appId: Number(qq.appId), clientSecret: qq.clientSecret }),
      await post(qq.tokenUrl, { appId: '999', clientSecret: qq.clientSecret }),
      await post(qq.tokenUrl, { appId: qq.appId, clientSecret: 'wrong' }),
      await post(qq.tokenUrl, 'appId=1', { 'Content-Type': 'application/x-www-form-urlencoded' }),
    ].map(({ status, body }) => [status, body.code]);
    expect(codes).toEqual([
      [200, 100007],
      [200, 100007],
      [200, 100016],
      [200, 100002],
    ]);
  });

  it('shows each ordered fault', async () => {
    await using qq = await startQq();
    qq.faults.tokenError(100001, { times: 1 });
    qq.faults.tokenHtml({ times: 1 });
    qq.faults.expiresIn('60', { times: 1 });
    qq.faults.expiresIn(undefined, { times: 1 });
    const ask = () => post(qq.tokenUrl, { appId: qq.appId, clientSecret: qq.clientSecret });
    expect((await ask()).body).toMatchObject({ code: 100001 });
    expect((await ask()).status).toBe(502);
    expect((await ask()).body.expires_in).toBe('60');
    expect((await ask()).body).not.toHaveProperty('expires_in');
    expect((await ask()).body.expires_in).toMatch(/^(7200|7199)$/);
    const hang = qq.faults.tokenHang();
    await expect(fetch(qq.tokenUrl, { method: 'POST', signal: AbortSignal.timeout(100) })).rejects.toThrow();
    expect(hang.hits).toBe(1);
  });
});

describe('OpenAPI authorization', () => {
  it('wants "QQBot token" and tells the failures apart', async () => {
    await using qq = await startQq();
    const call = (authorization?: string) =>
      post(
        `${qq.apiBaseUrl}/users/@me`,
        undefined,
        authorization === undefined ? {} : { Authorization: authorization },
        'GET',
      );
    expect(await call()).toMatchObject({ status: 401, body: { code: 11241 } });
    expect(await call('QQBot nonsense')).toMatchObject({ status: 401, body: { code: 11244, err_code: 11244 } });
    expect(await call(`Bot ${qq.appId}.${qq.clientSecret}`)).toMatchObject({ status: 401, body: { code: 11245 } });
    const token = await tokenOf(qq);
    expect(await call(`Bearer ${token}`)).toMatchObject({ status: 401, body: { code: 11244 } });
    const good = await call(`QQBot ${token}`);
    expect(good.status).toBe(200);
    expect(good.headers.get('x-tps-trace-id')).toMatch(/^[0-9a-f]{32}$/);
    qq.faults.revokeTokens();
    expect(await call(`QQBot ${token}`)).toMatchObject({ body: { code: 11244 } });
    expect((await call(`QQBot ${await tokenOf(qq)}`)).status).toBe(200);
    const order = qq.faults.ipNotListed();
    expect(await get(qq, '/gateway')).toMatchObject({ status: 401, body: { code: 11298, err_code: 40023002 } });
    order.clear();
    expect((await get(qq, '/gateway')).body).toEqual({ url: qq.gatewayUrl });
  });

  it('counts Identifies in /gateway/bot and limits discovery when asked to', async () => {
    await using qq = await startQq({ gatewayRateLimit: { max: 2, windowMs: 60_000 } });
    expect((await get(qq, '/gateway/bot')).body).toMatchObject({ shards: 1, session_start_limit: { remaining: 1000 } });
    await ready(qq);
    expect((await get(qq, '/gateway/bot')).body.session_start_limit.remaining).toBe(999);
    expect(await get(qq, '/gateway/bot')).toMatchObject({ status: 400, body: { message: '接口调用超过频率限制' } });
  });
});

describe('gateway', () => {
  it('says Hello, READY with s 1, and acknowledges every form of heartbeat', async () => {
    await using qq = await startQq({ heartbeatIntervalMs: 12_345 });
    const { client } = await ready(qq);
    expect(client.frames[0]).toEqual({ op: 10, d: { heartbeat_interval: 12_345 } });
    expect(client.frames[1]).toMatchObject({
      op: 0,
      s: 1,
      t: 'READY',
      d: { version: 1, user: { bot: true }, shard: [0, 1] },
    });
    for (const beat of [
      { op: 1, d: 1 },
      { op: 1, d: null },
      { op: 1, s: 1 },
    ])
      client.send(beat);
    await client.until(({ frames }) => frames.filter((frame) => frame.op === 11).length === 3);
    expect(qq.liveSockets()).toBe(1);
    expect(qq.view()).toMatchObject({ live: true, sockets: [{ state: 'authenticated', responsive: true }] });
  });

  it('pushes events with ids and rising s, only to sessions with the intent', async () => {
    await using qq = await startQq(roomy);
    const { client } = await ready(qq);
    const { client: guildOnly } = await ready(qq, { intents: Intent.PublicGuildMessages });
    const said = qq.user('ALICE').say('hello');
    qq.group('G').atBot('BOB', '/cmd');
    qq.channel('1', '2').atBot('3', 'hi');
    await client.frame(0, 'AT_MESSAGE_CREATE');
    await guildOnly.frame(0, 'AT_MESSAGE_CREATE');
    const events = client.frames.filter((frame) => frame.op === 0);
    expect(events.map((frame) => frame.s)).toEqual([1, 2, 3, 4]);
    expect(events[1]).toMatchObject({
      id: said.eventId,
      t: 'C2C_MESSAGE_CREATE',
      d: { id: said.messageId, content: 'hello' },
    });
    expect(events[2]?.d).toMatchObject({ content: ' /cmd', group_openid: 'G' });
    expect(guildOnly.frames.filter((frame) => frame.op === 0).map((frame) => frame.t)).toEqual([
      'READY',
      'AT_MESSAGE_CREATE',
    ]);
  });

  it.each([
    ['a wrong token', { token: 'QQBot nonsense' }, 4004],
    ['a bare token', { token: 'bare' }, 4004],
    ['intents that are no number', { intents: '33554432' }, 4013],
    ['no intents', { intents: undefined }, 4013],
    ['an unknown intent bit', { intents: 4 }, 4013],
    ['an intent not granted', { intents: Intent.Forums }, 4014],
    ['a shard beyond the count', { shard: [1, 1] }, 4010],
    ['a shard that is no pair', { shard: 0 }, 4010],
  ])('refuses Identify with %s', async (_what, fields, code) => {
    await using qq = await startQq();
    const client = await identify(qq, fields);
    expect((await client.end()).code).toBe(code);
    expect(qq.journal.of('identify')[0]?.outcome).toEqual({ refused: code });
    expect(qq.liveSockets()).toBe(0);
  });

  it.each([
    ['another opcode before authentication', { op: 3 }, 4003],
    ['text that is no JSON', 'nonsense', 4002],
    ['a binary frame', Buffer.from('{"op":1}'), 4002],
  ])('closes on %s', async (_what, frame, code) => {
    await using qq = await startQq();
    const client = dial(qq);
    await client.frame(10);
    client.send(frame);
    expect((await client.end()).code).toBe(code);
  });

  it('closes on a second Identify, an unknown opcode, and too many frames', async () => {
    await using qq = await startQq({ ...roomy, frameRateLimit: { max: 5, windowMs: 60_000 } });
    const [again, odd, fast] = await Promise.all([ready(qq), ready(qq), ready(qq)]);
    again.client.send({ op: 2, d: {} });
    odd.client.send({ op: 12 });
    for (let i = 0; i < 6; i++) fast.client.send({ op: 1, d: null });
    expect((await again.client.end()).code).toBe(4005);
    expect((await odd.client.end()).code).toBe(4001);
    expect((await fast.client.end()).code).toBe(4008);
  });

  it('closes 4009 when beats stop, and lives on while they come', async () => {
    await using qq = await startQq({ ...roomy, heartbeatIntervalMs: 100 });
    const [{ client: quiet }, { client: beating }] = await Promise.all([ready(qq), ready(qq)]);
    const beat = setInterval(() => beating.send({ op: 1, d: null }), 50);
    expect((await quiet.end()).code).toBe(4009);
    expect(beating.closed).toBeNull();
    clearInterval(beat);
  });

  it('limits Identifies per window and per day with op 9 false and close 4903', async () => {
    await using qq = await startQq({ identifyLimit: { maxConcurrency: 1, windowMs: 60_000 } });
    await ready(qq);
    const refused = await identify(qq);
    expect(await refused.frame(9)).toEqual({ op: 9, d: false });
    expect(await refused.end()).toEqual({ code: 4903, reason: 'create session error' });
    await using other = await startQq(roomy);
    other.faults.exhaustIdentifies();
    expect((await get(other, '/gateway/bot')).body.session_start_limit.remaining).toBe(0);
    expect((await (await identify(other)).end()).code).toBe(4903);
  });

  it('answers pings', async () => {
    await using qq = await startQq();
    const { client } = await ready(qq);
    let pongs = 0;
    client.onPong(() => pongs++);
    client.ping();
    await expect.poll(() => pongs).toBe(1);
  });

  it('lets two sessions of one shard live, or ends the older one when told so', async () => {
    await using both = await startQq(roomy);
    const [one, two] = [await ready(both), await ready(both)];
    both.user('ALICE').say('hello');
    await one.client.frame(0, 'C2C_MESSAGE_CREATE');
    await two.client.frame(0, 'C2C_MESSAGE_CREATE');
    expect(both.overlap().peak).toBe(2);
    expect(both.overlap().overlapMs).toBeGreaterThan(0);
    await using kick = await startQq({ ...roomy, sameShard: 'kick-old' });
    const old = await ready(kick);
    await ready(kick);
    expect((await old.client.end()).code).toBe(4006);
  });
});

describe('sessions', () => {
  it('replay what was missed with original ids and numbers, then RESUMED with d "" and a number of its own', async () => {
    await using qq = await startQq();
    const { client, sessionId } = await ready(qq);
    qq.user('ALICE').say('one');
    await client.frame(0, 'C2C_MESSAGE_CREATE');
    client.terminate();
    await qq.journal.waitForKind('close');
    const missed = [qq.user('ALICE').say('two'), qq.user('ALICE').say('three')];
    expect(missed[0]?.copies).toEqual([{ sessionId, s: 3, sent: false }]);
    const again = await resume(qq, sessionId, 2);
    const resumed = await again.frame(0, 'RESUMED');
    expect(resumed).toEqual({ op: 0, s: 5, t: 'RESUMED', d: '' });
    const events = again.frames.filter((frame) => frame.op === 0);
    expect(events.map((frame) => [frame.s, frame.id, frame.d.content])).toEqual([
      [3, missed[0]?.eventId, 'two'],
      [4, missed[1]?.eventId, 'three'],
      [5, undefined, undefined],
    ]);
    expect(qq.journal.of('resume')).toMatchObject([{ seq: 2, outcome: 'accepted', replayed: 2 }]);
  });

  it('are new after Identify, without the old events', async () => {
    await using qq = await startQq(roomy);
    const { client } = await ready(qq);
    client.terminate();
    await qq.journal.waitForKind('close');
    qq.user('ALICE').say('lost');
    const { client: fresh } = await ready(qq);
    qq.user('ALICE').say('new');
    const frame = await fresh.frame(0, 'C2C_MESSAGE_CREATE');
    expect(frame).toMatchObject({ s: 2, d: { content: 'new' } });
  });

  it('refuse an unknown id with 4006, a number never given with 4007, and accept the bare token', async () => {
    await using qq = await startQq();
    const { sessionId } = await ready(qq);
    expect((await (await resume(qq, 'nobody', 1)).end()).code).toBe(4006);
    expect((await (await resume(qq, sessionId, 2)).end()).code).toBe(4007);
    expect((await (await resume(qq, sessionId, '1')).end()).code).toBe(4007);
    const bare = dial(qq);
    await bare.frame(10);
    bare.send({ op: 6, d: { token: await tokenOf(qq), session_id: sessionId, seq: 1 } });
    await bare.frame(0, 'RESUMED');
  });

  it('end when nobody resumes them within the retention time', async () => {
    await using qq = await startQq({ retentionMs: 50 });
    const { client, sessionId } = await ready(qq);
    client.terminate();
    const { at } = await qq.journal.waitForKind('close');
    await expect.poll(() => Date.now() - at).toBeGreaterThan(60);
    expect((await (await resume(qq, sessionId, 1)).end()).code).toBe(4006);
  });

  it('belong to one socket: a second Resume resets the first with 4902', async () => {
    await using qq = await startQq();
    const { client, sessionId } = await ready(qq);
    const second = await resume(qq, sessionId, 1);
    expect(await client.end()).toEqual({ code: 4902, reason: 'reset by resume' });
    await second.frame(0, 'RESUMED');
    expect(qq.liveSockets()).toBe(1);
  });

  it('survive the platform going away and coming back under the same ports', async () => {
    await using qq = await startQq();
    const { client, sessionId } = await ready(qq);
    await qq.stop();
    expect((await client.end()).code).toBe(1006);
    await expect(tokenOf(qq)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
    await qq.start();
    qq.user('ALICE').say('meanwhile');
    const again = await resume(qq, sessionId, 1);
    await again.frame(0, 'RESUMED');
    expect(again.frames.some((frame) => frame.d?.content === 'meanwhile')).toBe(true);
  });
});

describe('sends', () => {
  it('deliver a passive reply once per msg_seq', async () => {
    await using qq = await startQq();
    const said = qq.user('ALICE').say('hello');
    const body = { msg_type: 0, content: 'hi', msg_id: said.messageId, msg_seq: 1 };
    const first = await send(qq, '/v2/users/ALICE/messages', body);
    expect(first).toMatchObject({ status: 200, body: { ext_info: {} } });
    expect(await send(qq, '/v2/users/ALICE/messages', body)).toMatchObject({ status: 400, body: { code: 40054005 } });
    expect(qq.journal.repliesTo(said.messageId)).toMatchObject([
      { text: 'hi', msgSeq: 1, chat: { scene: 'c2c', id: 'ALICE' } },
    ]);
    expect(qq.journal.of('send').map(({ code, delivered }) => [code, delivered])).toEqual([
      [null, true],
      [40054005, false],
    ]);
  });

  it('allow 4 replies in private and 5 in groups', async () => {
    await using qq = await startQq();
    const codes = async (path: string, messageId: string, count: number) => {
      const seen: unknown[] = [];
      for (let seq = 1; seq <= count; seq++) {
        seen.push((await send(qq, path, { msg_type: 0, content: 'x', msg_id: messageId, msg_seq: seq })).body.code);
      }
      return seen;
    };
    const c2c = await codes('/v2/users/A/messages', qq.user('A').say('q').messageId, 5);
    expect(c2c).toEqual([undefined, undefined, undefined, undefined, 40034128]);
    const group = await codes('/v2/groups/G/messages', qq.group('G').say('M', 'q').messageId, 6);
    expect(group).toEqual([undefined, undefined, undefined, undefined, undefined, 40034128]);
  });

  it('refuse what the platform would refuse', async () => {
    await using qq = await startQq({ passiveWindowMs: { group: 0 }, maxTextLength: 10 });
    const said = qq.user('ALICE').say('hello');
    const group = qq.group('G').atBot('M', 'hello');
    await expect.poll(() => Date.now()).toBeGreaterThan(qq.journal.of('event').at(-1)?.at ?? 0);
    const user = '/v2/users/ALICE/messages';
    const good = { msg_type: 0, content: 'x', msg_id: said.messageId };
    const code = async (path: string, body: unknown) => (await send(qq, path, body)).body.code;
    expect(await code(user, { ...good, msg_id: group.messageId })).toBe(40034024);
    expect(await code('/v2/groups/G/messages', { ...good, msg_id: group.messageId })).toBe(40034128);
    expect(await code('/v2/users/NOBODY/messages', good)).toBe(40011028);
    expect(await code(user, { msg_type: 0, content: 'x' })).toBe(40034105);
    expect(await code(user, { ...good, content: '' })).toBe(50006);
    expect(await code(user, { ...good, content: 'x'.repeat(11) })).toBe(40054007);
    expect(await code(user, { ...good, msg_type: 2 })).toBe(22006);
    expect(await code(user, { ...good, msg_seq: 'one' })).toBe(22006);
    expect(await code(user, { ...good, msg_type: 1 })).toBe(22006);
    expect(await code(user, { msg_type: 0, content: 'x', event_id: 'unknown' })).toBe(40034025);
    const form = await post(`${qq.apiBaseUrl}${user}`, 'content=x', {
      Authorization: `QQBot ${await tokenOf(qq)}`,
      'Content-Type': 'application/x-www-form-urlencoded',
    });
    expect(form.status).toBe(400);
    expect(qq.journal.delivered()).toEqual([]);
  });

  it('answer events that may be answered, and no others', async () => {
    await using qq = await startQq();
    const added = qq.event('FRIEND_ADD', { openid: 'ALICE', timestamp: 1 });
    const deleted = qq.event('FRIEND_DEL', { openid: 'ALICE', timestamp: 2 });
    const reply = (eventId: string) =>
      send(qq, '/v2/users/ALICE/messages', { msg_type: 0, content: 'x', event_id: eventId });
    expect((await reply(added.eventId)).status).toBe(200);
    expect((await reply(deleted.eventId)).body.code).toBe(40034027);
  });

  it('to guilds need a live socket and have no msg_seq', async () => {
    await using qq = await startQq();
    const said = qq.channel('1', '2').atBot('3', 'hi');
    const body = { content: 'x', msg_id: said.messageId };
    expect((await send(qq, '/channels/2/messages', body)).body.code).toBe(304018);
    await ready(qq);
    expect((await send(qq, '/channels/2/messages', body)).body).toMatchObject({
      channel_id: '2',
      guild_id: '1',
      content: 'x',
    });
    expect((await send(qq, '/channels/2/messages', body)).status).toBe(200);
    expect((await send(qq, '/channels/2/messages', { ...body, msg_id: 'other' })).body.code).toBe(304026);
    const dm = qq.dm('77').say('3', 'psst');
    expect((await send(qq, '/dms/77/messages', { content: 'y', msg_id: dm.messageId })).status).toBe(200);
    expect(qq.journal.delivered().map(({ chat }) => chat.scene)).toEqual(['channel', 'channel', 'dm']);
  });

  it('can be recalled, and interactions acknowledged once', async () => {
    await using qq = await startQq({ activeMessages: 'allowed' });
    qq.user('ALICE');
    const sent = await send(qq, '/v2/users/ALICE/messages', { msg_type: 0, content: 'x' });
    const headers = { Authorization: `QQBot ${await tokenOf(qq)}` };
    const recall = () => post(`${qq.apiBaseUrl}/v2/users/ALICE/messages/${sent.body.id}`, undefined, headers, 'DELETE');
    expect((await recall()).status).toBe(200);
    expect((await recall()).status).toBe(400);
    qq.event('INTERACTION_CREATE', { id: 'press-1', type: 11, user_openid: 'ALICE', data: {} });
    const ack = () => post(`${qq.apiBaseUrl}/interactions/press-1`, { code: 0 }, headers, 'PUT');
    expect((await ack()).status).toBe(200);
    expect((await ack()).status).toBe(400);
  });
});
