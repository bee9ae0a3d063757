/** The example's emulator as the conformance suite wants it: what a harness has to say, all of it. */
import { createParcelAdapter } from './example-adapter.ts';
import { ParcelPlatform } from './example-platform.ts';
import type { ConformanceHarness } from './harness.ts';

const CHATS = { first: 'c1', second: 'c2' };

export const parcelHarness: ConformanceHarness = {
  name: 'parcel',
  createAdapter: createParcelAdapter,
  async startPlatform() {
    const parcel = await ParcelPlatform.start();
    const { faults } = parcel;
    const options = { account: 'shop', apiBaseUrl: parcel.url, pollMs: 500, sendTimeoutMs: 400 };
    const secrets = { token: parcel.token };
    return {
      options,
      secrets,
      // One queue for all: it is the name that must not be mistaken.
      otherAccount: () => ({
        options: { ...options, account: 'the shop next door' },
        secrets,
        say: (text) => parcel.say(CHATS.first, text),
      }),
      badOptions: { account: 7 },
      dialTimeoutMs: 500,
      secretTexts: () => [parcel.token],
      say: (text, chat = 'first') => parcel.say(CHATS[chat], text),
      seen: () => parcel.seen,
      acknowledged: () => parcel.confirmed,
      dials: () => parcel.dials,
      isHeard: () => parcel.isHeard,
      summary: () => parcel.summary(),
      faults: {
        dropConnections: () => parcel.dropConnections(),
        halfOpen: () => parcel.freeze(),
        swallowAttempts: (times) => void faults.order('poll', { name: 'hang', isApplied: false }, { times }),
        dripOnce: () => void faults.order('poll', { name: 'drip' }, { times: 1 }),
        garbleAttempts: (times) => void faults.order('poll', { name: 'html', isApplied: false }, { times }),
        limitAttempts() {
          faults.order('poll', { name: 'too-many', retryAfterS: 2 }, { times: 1 });
          return 2_000;
        },
        disappear: () => parcel.disappear(),
        reappear: () => parcel.reappear(),
        revokeCredentials: () => parcel.revoke(),
        restoreCredentials() {
          parcel.isRevoked = false;
        },
        loseHistory: () => parcel.forgetAll(),
        repeat() {
          parcel.batches = 'twice';
        },
        disorder() {
          parcel.batches = 'reversed';
        },
        unknownEvent: () => void parcel.push({ kind: 'tomorrow', chat: 'c1', from: 'x', text: '', at: 0 }),
        malformedEvent: () => void parcel.push({ kind: 'message', chat: 7 }),
        limitSend() {
          faults.order('send', { name: 'too-many', retryAfterS: 2 }, { times: 1 });
          return 2_000;
        },
        loseSendAnswer: () => void faults.order('send', { name: 'reset', isApplied: true }, { times: 1 }),
        hangSend: () => void faults.order('send', { name: 'hang', isApplied: true }, { times: 1 }),
        garbleSend: () => void faults.order('send', { name: 'html', isApplied: false }, { times: 1 }),
      },
      [Symbol.asyncDispose]: () => parcel[Symbol.asyncDispose](),
    };
  },
};
