/** The QQ emulator as the conformance suite wants it. */
import { createQqAdapter } from '../../src/adapters/qq/index.ts';
import { type FaultOrder, startQq } from '../emulators/qq/index.ts';
import type { ConformanceHarness } from './harness.ts';

const OPTIONS = { pingEveryMs: 150, pongDeadlineMs: 150, sendTimeoutMs: 400 };
/** Longer than any deadline. */
const DRIP_MS = 60_000;
/** The platform's frequency limit names no time; its documents speak of a minute. */
const FREQUENCY_LIMIT_MS = 60_000;
const SECRET_REFUSED = 100016;

export const qqHarness: ConformanceHarness = {
  name: 'qq',
  createAdapter: createQqAdapter,
  async startPlatform() {
    const qq = await startQq({
      heartbeatIntervalMs: 300,
      identifyLimit: { maxConcurrency: 100 },
      // Beats that come so fast would be too many.
      frameRateLimit: { max: 100_000, windowMs: 60_000 },
      // What a session without its owner may lose must not be lost by our way of leaving.
      clientCloseEndsSession: [1000, 1001],
    });
    const people = { first: qq.user('ALICE'), second: qq.user('BOB') };
    let isDisorderly = false;
    let refusals: FaultOrder[] = [];
    const options = { appId: qq.appId, apiBaseUrl: qq.apiBaseUrl, tokenUrl: qq.tokenUrl, ...OPTIONS };
    return {
      options,
      otherAccount() {
        const account = { appId: '102000002', clientSecret: 'the other secret' };
        const other = qq.addBot(account);
        return {
          options: { ...options, appId: account.appId },
          secrets: { clientSecret: account.clientSecret },
          say: (text) => other.user('CAROL').say(text).messageId,
        };
      },
      secrets: { clientSecret: qq.clientSecret },
      badOptions: { appId: 102000001 },
      dialTimeoutMs: 500,
      secretTexts: () => [qq.clientSecret, ...qq.tokens()],
      say(text, chat = 'first') {
        const { messageId } = people[chat].say(text);
        // Numbers only grow; a frame with an old one is what can come out of order.
        if (isDisorderly) qq.faults.garbage('old-number');
        return messageId;
      },
      seen: () => qq.journal.delivered().map(({ text }) => text),
      acknowledged() {
        const beats = qq.journal.of('heartbeat').map(({ d }) => d);
        const resumes = qq.journal.of('resume', ({ outcome }) => outcome === 'accepted').map(({ seq }) => seq);
        const newest = Math.max(0, ...[...beats, ...resumes].filter((seq) => typeof seq === 'number'));
        const taken = qq.journal.of('event', ({ sessions }) => sessions.some(({ s }) => s <= newest));
        return new Set(taken.flatMap(({ messageId }) => messageId ?? []));
      },
      dials: () => qq.journal.count('dial'),
      isHeard: () => qq.liveSockets() > 0,
      summary: () => qq.journal.summary(),
      faults: {
        dropConnections: () => void qq.faults.dropSockets({ how: 'rst' }),
        halfOpen: () => void qq.faults.halfOpen(),
        swallowAttempts: (times) => void qq.faults.blackHoleDials({ times }),
        dripOnce() {
          const body = { url: qq.gatewayUrl };
          qq.faults.apiError({ name: 'drip', status: 200, body, overMs: DRIP_MS }, { times: 1, path: /^\/gateway/ });
        },
        garbleAttempts(times) {
          qq.faults.tokenHtml({ times: 1 });
          qq.faults.gatewayError('html', { times });
          qq.faults.refuseUpgrade(502, { times: 1 });
        },
        limitAttempts() {
          qq.faults.gatewayError('rate-limit', { times: 1 });
          return FREQUENCY_LIMIT_MS;
        },
        async disappear() {
          await qq.stop();
        },
        reappear: () => qq.start(),
        revokeCredentials() {
          refusals = [qq.faults.tokenError(SECRET_REFUSED), qq.faults.closeOnAuth(4004)];
          qq.faults.revokeTokens();
          qq.faults.close(4004);
        },
        restoreCredentials() {
          for (const refusal of refusals) refusal.clear();
        },
        loseHistory: () => qq.faults.forgetSessions(),
        repeat: () => void qq.faults.duplicate(),
        disorder() {
          isDisorderly = true;
        },
        unknownEvent: () => void qq.event('FEATURE_OF_TOMORROW', { is: 'from tomorrow' }),
        malformedEvent: () => void qq.faults.garbage('null-data'),
        limitSend() {
          qq.faults.send429({ times: 1, retryAfter: 2 });
          return 2_000;
        },
        loseSendAnswer: () => void qq.faults.sendLost({ times: 1 }),
        hangSend: () => void qq.faults.sendHang({ times: 1 }),
        garbleSend: () => void qq.faults.sendFail({ times: 1 }),
      },
      [Symbol.asyncDispose]: () => qq.close(),
    };
  },
};
