/**
 * The QQ emulator in a process of its own, with many bots that people talk to, so that neither it nor the test stretches
 * the other's clock. Started by `QqCrowd`, told what to do over IPC.
 */
import { type QqEmulator, type Said, startQq } from '../emulators/qq/index.ts';
import type { CrowdLook, CrowdOrder, CrowdReady, CrowdSettings } from './qq-crowd.ts';

class Crowd {
  readonly #qq: QqEmulator;
  readonly #appIds: readonly string[];
  readonly #said: { readonly said: Said; readonly text: string }[] = [];
  #talking: NodeJS.Timeout | undefined;

  constructor(qq: QqEmulator, appIds: readonly string[]) {
    this.#qq = qq;
    this.#appIds = appIds;
  }

  /** One message every so often, to one bot after the other. */
  talk(everyMs: number): void {
    clearInterval(this.#talking);
    this.#talking = everyMs === 0 ? undefined : setInterval(() => this.#say(), everyMs);
  }

  #say(): void {
    const n = this.#said.length;
    const bot = this.#qq.bot(this.#appIds[n % this.#appIds.length] ?? '');
    const text = `message ${n}`;
    this.#said.push({ said: bot.user('ALICE').say(text), text });
  }

  /** Sockets that were open and not authenticated at the same time. */
  #mostLoginsAtOnce(since: number): number {
    const loggingIn = new Set<number>();
    let most = 0;
    for (const entry of this.#qq.journal.entries.slice(since)) {
      if (entry.kind === 'dial') loggingIn.add(entry.socket);
      else if (entry.kind === 'identify' || entry.kind === 'resume' || entry.kind === 'close') {
        loggingIn.delete(entry.socket);
      }
      most = Math.max(most, loggingIn.size);
    }
    return most;
  }

  look(since: number): CrowdLook {
    const { journal } = this.#qq;
    const accepted = (kind: 'identify' | 'resume', yes: boolean) =>
      journal.of(kind, ({ outcome }) => (outcome === 'accepted') === yes, since).length;
    const answers = new Map<string | null, number>();
    for (const { replyTo, text } of journal.delivered()) {
      if (text.startsWith('echo: ')) answers.set(replyTo, (answers.get(replyTo) ?? 0) + 1);
    }
    const count = ({ said }: { said: Said }) => answers.get(said.messageId) ?? 0;
    const bots = this.#appIds.map((appId) => this.#qq.bot(appId));
    return {
      mark: journal.mark(),
      live: bots.filter((bot) => bot.liveSockets() > 0).length,
      mostSocketsOfOneBot: Math.max(...bots.map((bot) => bot.overlap().peak)),
      identified: accepted('identify', true),
      identifiesRefused: accepted('identify', false),
      resumedAt: journal.of('resumed', undefined, since).map(({ at }) => at),
      resumesRefused: accepted('resume', false),
      dialedAt: journal.of('dial', undefined, since).map(({ at }) => at),
      mostLoginsAtOnce: this.#mostLoginsAtOnce(since),
      callsRefused: journal.of('http', ({ status }) => status === null || status >= 400, since).length,
      said: this.#said.length,
      unanswered: this.#said.filter((one) => count(one) === 0).map(({ text }) => text),
      answeredTwice: this.#said.filter((one) => count(one) > 1).map(({ text }) => text),
      // Nobody had a session for it, so the platform dropped it: a fault of the test, not of Holdfast.
      saidToNobody: this.#said.filter(({ said }) => said.copies.length === 0).length,
    };
  }
}

const settings = JSON.parse(process.argv[2] ?? '{}') as CrowdSettings;
const accounts = Array.from({ length: settings.bots }, (_, n) => ({
  appId: String(102_000_000 + n),
  clientSecret: `secret-of-bot-${n}`,
}));
const [first, ...bots] = accounts;
const qq = await startQq({ ...first, bots, ...(settings.tls === undefined ? {} : { tls: settings.tls }) });
const crowd = new Crowd(
  qq,
  accounts.map(({ appId }) => appId),
);

process.on('message', (order: CrowdOrder) => {
  if (order.do === 'talk') crowd.talk(order.everyMs);
  else process.send?.(crowd.look(order.since));
});
// The test is gone, whatever became of it.
process.once('disconnect', () => process.exit());

const { apiBaseUrl, tokenUrl } = qq;
const ready: CrowdReady = { apiBaseUrl, tokenUrl, accounts };
process.send?.(ready);
