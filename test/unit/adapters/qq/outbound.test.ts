import { describe, expect, it } from 'vitest';
import type { Address } from '../../../../src/adapters/qq/address.ts';
import { type ApiAnswer, type QqApi, readError } from '../../../../src/adapters/qq/api.ts';
import { API_CODES } from '../../../../src/adapters/qq/api-codes.ts';
import { qqOptionsSchema } from '../../../../src/adapters/qq/options.ts';
import { createQqSender, outcomeOf } from '../../../../src/adapters/qq/outbound.ts';
import { FatalError, TransientError } from '../../../../src/errors.ts';
import { HttpFailure } from '../../../../src/http/client.ts';
import type { JsonValue, OutboundPart, SendOutcome } from '../../../../src/model.ts';

const addresses = {
  c2c: { scene: 'c2c', openid: 'E4F4' },
  group: { scene: 'group', groupOpenid: 'G1' },
  channel: { scene: 'channel', channelId: '100' },
  dm: { scene: 'dm', guildId: '999' },
} as const satisfies Record<Address['scene'], Address>;
type Scene = keyof typeof addresses;

function part(scene: Scene, mode: OutboundPart['mode'] = 'passive', change: Partial<OutboundPart> = {}): OutboundPart {
  return {
    id: 'turn/1',
    conversation: `${scene}:X`,
    text: 'echo',
    reply: { key: 'MSG', deadlineAt: null, quota: null, address: addresses[scene] },
    ordinal: 2,
    mode,
    ...change,
  };
}

function answer(status: number, json: unknown, retryAfterMs: number | null = null): ApiAnswer {
  return { status, json, retryAfterMs, traceId: 'TRACE', ...readError(json) };
}

function judged(answered: ApiAnswer, scene: Scene = 'c2c', mode: OutboundPart['mode'] = 'passive'): SendOutcome {
  return outcomeOf(answered, part(scene, mode), addresses[scene]);
}

function refusal(code: number, status = 400): ApiAnswer {
  return answer(status, { message: 'words that change', code, err_code: code, trace_id: 'TRACE' });
}

/** docs/protocols/qq.md, error codes: every code, by what becomes of a passive reply. */
const documented: Readonly<Record<SendOutcome['kind'], readonly number[]>> = {
  sent: [],
  blank: [],
  unknown: [],
  duplicate: [40054005],
  'pending-audit': [304023, 304024],
  retry: [
    11241, 11242, 11243, 11244, 11298, 40023002, 11252, 11263, 11281, 304018, 304082, 304083, 40034004, 40054006,
    40054016, 50055001, 50055002, 50055006, 1100300, 850026, 850027, 40093001, 306003, 306005, 306006, 50065001,
  ],
  'rate-limited': [20028, 22009, 40034100, 1100100],
  'too-late': [304027, 304103, 40034005, 40034024, 40034026, 40034128],
  'too-long': [40054007, 40054018, 1000001],
  rejected: [
    11245, 11251, 11261, 11275, 11253, 11254, 11264, 11265, 11282, 11255, 40011028, 22006, 50006, 50035, 50037, 50041,
    50055, 50056, 50057, 50059, 304003, 304022, 304025, 304026, 304028, 304036, 304037, 304045, 304046, 304047, 304048,
    304049, 304050, 304061, 304064, 304080, 40034006, 40034008, 40034009, 40034010, 40034011, 40034124, 40034127,
    40034025, 40034027, 40034029, 40034101, 40034102, 40034105, 40034122, 40034123, 40054002, 40054003, 40054004,
    40054010, 40054013, 1100101, 1100103, 1100104, 1100308, 850018, 850019, 850031, 40093002, 306009, 306011, 40061001,
    40061002, 40062003, 40064004,
  ],
};
const rows = Object.entries(documented).flatMap(([kind, codes]) => codes.map((code) => [code, kind] as const));

describe('every error code of the platform', () => {
  it('stands in the table, and no other', () => {
    expect([...API_CODES.keys()].sort((a, b) => a - b)).toEqual(rows.map(([code]) => code).sort((a, b) => a - b));
  });

  it.each(rows)('%i means %s', (code, kind) => {
    expect(judged(refusal(code)).kind).toBe(kind);
  });

  it.each(rows)('%i means the same with HTTP 200 and 500: the code decides', (code, kind) => {
    expect(judged(refusal(code, 200)).kind).toBe(kind);
    expect(judged(refusal(code, 500)).kind).toBe(kind);
  });

  it('says code, meaning and trace id, for the log', () => {
    expect(judged(refusal(40054003))).toEqual({
      kind: 'rejected',
      code: '40054003',
      reason: 'the bot is not in the group, "words that change", HTTP 400, trace TRACE',
    });
  });
});

describe('codes in two fields', () => {
  it('prefer err_code, but a known one to an unknown one', () => {
    expect(readError({ code: 11298, err_code: 40023002 })).toMatchObject({ code: 40023002, class: 'ip-not-listed' });
    expect(readError({ code: 11298, err_code: 999 })).toMatchObject({ code: 11298, class: 'ip-not-listed' });
    expect(readError({ code: 999, err_code: 40054005 })).toMatchObject({ code: 40054005, class: 'duplicate' });
    expect(readError({ code: '40054005' })).toMatchObject({ code: 40054005 });
    expect(readError({ code: 0, err_code: 0, id: 'x' })).toMatchObject({ code: null, class: null });
    expect(readError('<html>')).toMatchObject({ code: null, class: null, message: '' });
    expect(readError(undefined)).toMatchObject({ code: null });
  });

  it('an address that is not listed is no matter of the token, although it is a 401', () => {
    expect(judged(answer(401, { code: 11298, err_code: 40023002 }))).toMatchObject({ kind: 'retry', afterMs: 60_000 });
  });
});

describe('answers without a known code', () => {
  it.each<[string, ApiAnswer, SendOutcome['kind'], SendOutcome['kind']]>([
    ['200 with an id', answer(200, { id: 'ROBOT1.0_x', timestamp: 1 }), 'sent', 'sent'],
    ['204 without a body', answer(204, undefined), 'sent', 'sent'],
    ['200 without a body', answer(200, undefined), 'retry', 'unknown'],
    ['200 with an empty id', answer(200, { id: '' }), 'retry', 'unknown'],
    ['200 with an unknown error code', answer(200, { code: 77, message: 'no' }), 'rejected', 'rejected'],
    ['400 with an unknown error code', answer(400, { code: 77 }), 'rejected', 'rejected'],
    ['404 of a proxy', answer(404, undefined), 'retry', 'retry'],
    ['429', answer(429, { code: 429 }), 'rate-limited', 'rate-limited'],
    ['500 in HTML', answer(500, undefined), 'retry', 'unknown'],
    ['502 in HTML', answer(502, undefined), 'retry', 'unknown'],
    ['500 with an unknown code', answer(500, { code: 77 }), 'retry', 'unknown'],
  ])('%s', (_what, answered, passive, active) => {
    expect(judged(answered, 'c2c').kind).toBe(passive);
    expect(judged(answered, 'group').kind).toBe(passive);
    // Without a key that the platform knows, a repeat could double the message.
    expect(judged(answered, 'c2c', 'active').kind).toBe(active);
    expect(judged(answered, 'channel').kind).toBe(active);
    expect(judged(answered, 'dm').kind).toBe(active);
  });

  it('wait as told by Retry-After', () => {
    expect(judged(answer(429, {}, 2_000))).toMatchObject({ kind: 'rate-limited', afterMs: 2_000, bucket: 'c2c' });
    expect(judged(answer(429, {}), 'channel')).toMatchObject({ afterMs: null, bucket: null, wider: null });
  });

  it('stop the conversation alone where they may mean it, and the others when those are refused, too (G21)', () => {
    expect(judged(answer(429, {}))).toMatchObject({ afterMs: null, bucket: null, wider: 'c2c' });
    const limited = { ...refusal(22009), retryAfterMs: 2_000 };
    expect(judged(limited, 'group')).toMatchObject({ afterMs: 2_000, bucket: null, wider: 'group' });
    expect(judged(limited, 'group', 'active')).toMatchObject({ bucket: null, wider: 'active:group' });
  });

  it('an audit names its id, so that the verdict can be matched', () => {
    const json = { code: 304023, message: 'waiting', data: { message_audit: { audit_id: 'AUDIT' } } };
    expect(judged(answer(202, json))).toEqual({ kind: 'pending-audit', auditId: 'AUDIT' });
    expect(judged(answer(202, { code: 304024 }))).toEqual({ kind: 'pending-audit', auditId: null });
  });

  it('an active message cannot be too late', () => {
    expect(judged(refusal(40034128), 'group', 'active').kind).toBe('rejected');
  });
});

describe('a text that was refused (G06)', () => {
  const refusedText = (code: number, text: string) => {
    const outcome = outcomeOf(refusal(code), part('c2c', 'passive', { text }), addresses.c2c);
    return outcome.kind === 'rejected' ? outcome.textRefused : undefined;
  };

  it.each([40054010, 304003, 40034006, 1100101, 1100103, 1100104, 1100308, 304025, 50055, 999_999])(
    '%i offers it without anything that looks like a link',
    (code) => {
      expect(refusedText(code, 'see https://example.com/a')).toEqual({ instead: 'see https://example．com/a' });
      expect(refusedText(code, 'no link')).toEqual({ instead: null });
    },
  );

  it.each([40054003, 40054002, 40054013, 11255, 40034105])('%i has nothing to do with the text', (code) => {
    expect(refusedText(code, 'https://example.com')).toBeUndefined();
  });
});

describe('failures within the platform', () => {
  it.each([1100300, 50055001, 50055002, 50055006])('%i repeats a reply under its key, and nothing else', (code) => {
    expect(judged(refusal(code))).toMatchObject({ kind: 'retry', maybeDelivered: true });
    expect(judged(refusal(code), 'c2c', 'active').kind).toBe('unknown');
    expect(judged(refusal(code), 'channel').kind).toBe('unknown');
  });

  it.each([502, 503, 504])('HTTP %i in the form of the API says nothing about the send', (status) => {
    for (const json of [{ code: 77, message: 'x' }, { message: 'x' }, '', undefined]) {
      expect(judged(answer(status, json))).toMatchObject({ kind: 'retry', maybeDelivered: true });
      expect(judged(answer(status, json), 'group', 'active').kind).toBe('unknown');
    }
  });

  it('an audit under a code that nobody knows is one all the same', () => {
    const json = { code: 304_999, data: { message_audit: { audit_id: 'A' } } };
    expect(judged(answer(202, json))).toEqual({ kind: 'pending-audit', auditId: 'A' });
  });
});

const options = qqOptionsSchema.parse({ appId: '102000001' });
const signal = new AbortController().signal;

function sender(post: QqApi['post']) {
  const none = () => Promise.reject(new Error('not here'));
  return createQqSender({ api: { post, gateway: none, acknowledgeInteraction: none }, options });
}

describe('requests', () => {
  it.each<[Scene, OutboundPart['mode'], string, object]>([
    ['c2c', 'passive', '/v2/users/E4F4/messages', { msg_type: 0, content: 'echo', msg_id: 'MSG', msg_seq: 2 }],
    ['group', 'passive', '/v2/groups/G1/messages', { msg_type: 0, content: 'echo', msg_id: 'MSG', msg_seq: 2 }],
    ['channel', 'passive', '/channels/100/messages', { content: 'echo', msg_id: 'MSG' }],
    ['dm', 'passive', '/dms/999/messages', { content: 'echo', msg_id: 'MSG' }],
    ['c2c', 'active', '/v2/users/E4F4/messages', { msg_type: 0, content: 'echo' }],
    ['channel', 'active', '/channels/100/messages', { content: 'echo' }],
  ])('to %s, %s', async (scene, mode, path, body) => {
    const calls: unknown[] = [];
    const { send } = sender(async (...call) => {
      calls.push(call.slice(0, 2));
      return answer(200, { id: 'SENT' });
    });
    expect(await send(part(scene, mode), { signal })).toEqual({ kind: 'sent', platformId: 'SENT' });
    expect(calls).toEqual([[path, body]]);
  });

  it.each<[JsonValue]>([[null], ['text'], [{ scene: 'c2c' }], [{ scene: 'nowhere', openid: 'X' }]])(
    'find the chat by its name when the handle is %j',
    async (address) => {
      const paths: string[] = [];
      const { send } = sender(async (path) => {
        paths.push(path);
        return answer(200, { id: 'SENT' });
      });
      const reply = { key: 'MSG', deadlineAt: null, quota: null, address };
      for (const conversation of ['c2c:A~B', 'group:G', 'channel:1', 'dm:2']) {
        await send(part('c2c', 'active', { conversation, reply }), { signal });
      }
      expect(paths).toEqual([
        '/v2/users/A~B/messages',
        '/v2/groups/G/messages',
        '/channels/1/messages',
        '/dms/2/messages',
      ]);
      expect((await send(part('c2c', 'active', { conversation: 'irc:#x', reply }), { signal })).kind).toBe('rejected');
      expect(paths).toHaveLength(4);
    },
  );
});

describe('texts', () => {
  const sent = async (scene: Scene, text: string) => {
    const bodies: unknown[] = [];
    const { send } = sender(async (_path, body) => {
      bodies.push(body);
      return answer(200, { id: 'SENT' });
    });
    const outcome = await send(part(scene, 'passive', { text }), { signal });
    return (bodies[0] as { content?: string } | undefined)?.content ?? outcome.kind;
  };

  it('mention nobody in guilds, and are not escaped where nothing is unescaped', async () => {
    for (const scene of ['channel', 'dm'] as const) {
      expect(await sent(scene, 'a <@everyone> & <#5>')).toBe('a &lt;@everyone&gt; &amp; &lt;#5&gt;');
    }
    for (const scene of ['c2c', 'group'] as const) {
      expect(await sent(scene, 'a < b && <i>')).toBe('a < b && <i>');
      expect(await sent(scene, '<qqbot-at-user id="X" />')).toBe('＜qqbot-at-user id="X" />');
    }
  });

  it('that are blank are not sent, however they are blank (G29)', async () => {
    for (const text of ['', ' \n', '\u200b', '\u2060\ufeff', '\u3164', '\u2800 ']) {
      expect(await sent('c2c', text)).toBe('blank');
    }
    expect(await sent('c2c', '0')).toBe('0');
  });

  it('have no lone surrogates (G33)', async () => {
    expect(await sent('c2c', 'bad \ud83d surrogate')).toBe('bad \ufffd surrogate');
  });
});

describe('ids (L3)', () => {
  it.each(['', '.', '..', '../x', 'a/b', 'a\\b', 'a%2fb', 'a b', 'a\n', 'a?b', 'a#b', 'x'.repeat(200)])(
    '%j names no chat, and goes nowhere',
    async (openid) => {
      const { send, buckets, repeatable } = sender(() => Promise.reject(new Error('was called')));
      for (const address of [{ scene: 'c2c', openid }, null] as JsonValue[]) {
        const reply = { key: 'MSG', deadlineAt: null, quota: null, address };
        const lost = part('c2c', 'passive', { conversation: `c2c:${openid}`, reply });
        expect(await send(lost, { signal })).toMatchObject({ kind: 'rejected', code: 'no-address' });
        expect([buckets(lost), repeatable?.(lost)]).toEqual([[], false]);
      }
    },
  );
});

describe('calls without an answer', () => {
  const failing = (error: unknown) => sender(() => Promise.reject(error));

  it.each<[string, Error, SendOutcome['kind'], SendOutcome['kind']]>([
    ['refused connection', new HttpFailure('TRANSPORT', 'refused', false), 'retry', 'retry'],
    ['deadline before the request left', new HttpFailure('DEADLINE', 'late', false), 'retry', 'retry'],
    ['reset after the request left', new HttpFailure('TRANSPORT', 'reset', true), 'retry', 'unknown'],
    ['deadline after the request left', new HttpFailure('DEADLINE', 'late', true), 'retry', 'unknown'],
    ['answer cut short', new HttpFailure('HTTP_BODY', 'cut', true), 'retry', 'unknown'],
    ['no access token for now', new TransientError('HTTP_STATUS', 'token'), 'retry', 'retry'],
    ['refused credentials', new FatalError('CREDENTIAL_REFUSED', 'secret'), 'rejected', 'rejected'],
  ])('%s', async (_what, error, passive, active) => {
    expect((await failing(error).send(part('c2c'), { signal })).kind).toBe(passive);
    expect((await failing(error).send(part('group', 'active'), { signal })).kind).toBe(active);
    expect((await failing(error).send(part('channel'), { signal })).kind).toBe(active);
  });

  it('because this process stops may have sent it', async () => {
    const stop = new AbortController();
    const stopping = sender(async () => {
      stop.abort(new Error('stop'));
      throw stop.signal.reason;
    });
    expect((await stopping.send(part('channel'), { signal: stop.signal })).kind).toBe('unknown');
    expect((await stopping.send(part('c2c'), { signal: stop.signal })).kind).toBe('retry');
  });

  it('by a defect of ours are thrown, not hidden', async () => {
    await expect(failing(new RangeError('bug')).send(part('c2c'), { signal })).rejects.toThrow('bug');
  });
});

describe('buckets', () => {
  it('include the ones that a refusal for the rate pauses', () => {
    const { buckets } = sender(async () => answer(200, {}));
    for (const scene of Object.keys(addresses) as Scene[]) {
      for (const mode of ['passive', 'active'] as const) {
        const outcome = judged(refusal(20028), scene, mode);
        const wider = (outcome.kind === 'rate-limited' && outcome.wider) || `${scene}:${scene === 'dm' ? 999 : 100}`;
        expect(buckets(part(scene, mode)).map(({ key }) => key)).toContain(wider);
      }
    }
  });

  it('hold replies to the published rates', () => {
    const { buckets } = sender(async () => answer(200, {}));
    expect(buckets(part('c2c'))).toEqual([{ key: 'c2c', count: 100, windowMs: 1_000 }]);
    expect(buckets(part('channel'))).toEqual([{ key: 'channel:100', count: 5, windowMs: 1_000 }]);
  });

  it('hold active messages to those of the chat and of the bot', () => {
    const { buckets } = sender(async () => answer(200, {}));
    expect(buckets(part('group', 'active')).map(({ key }) => key)).toEqual([
      'active:group',
      'active:group:G1',
      'active:group:G1:day',
    ]);
  });
});
