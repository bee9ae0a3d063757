/** The emulator put together: one port, one platform behind it, and the handles a test holds. */
import { Listener } from '../listener.ts';
import { Api } from './api.ts';
import { type Bot, Bots, newSecret, type Platform } from './bot.ts';
import { BotHandle } from './bot-handle.ts';
import { PlatformClock } from './clock.ts';
import { FaultBook } from './fault-book.ts';
import { Faults } from './faults.ts';
import { Journal } from './journal.ts';
import { type BotAccount, settle, type TelegramOptions } from './options.ts';
import { ColdStarts } from './rates.ts';
import { Sockets } from './sockets.ts';

/** The emulated platform. */
export interface TelegramEmulator extends AsyncDisposable {
  /** `http://127.0.0.1:port`, what clients call their API root. */
  readonly url: string;
  /** Token of the default bot, as it was at the start. */
  readonly token: string;
  readonly bots: readonly BotHandle[];
  readonly journal: Journal;
  readonly faults: Faults;
  readonly clock: PlatformClock;
  /** The default bot, or the one with that token or bot id. @throws Error for one the platform does not know */
  bot(which?: string | number): BotHandle;
  addBot(account: BotAccount): BotHandle;
  /** The whole platform goes away: connections are reset and the port refuses. Queues and chats are kept. */
  stop(): Promise<void>;
  /** Comes back under the same port. */
  start(): Promise<void>;
  /** Ends for good; the same as disposing. Safe to call twice. */
  close(): Promise<void>;
}

/**
 * Starts an emulated Telegram Bot API, on 127.0.0.1 unless told otherwise.
 * @example
 * await using telegram = await startTelegram();
 * const said = telegram.bot().say(5, 'hello');
 * await telegram.journal.waitUntil(() => telegram.bot().delivered(5).length === 1);
 */
export async function startTelegram(options: TelegramOptions = {}): Promise<TelegramEmulator> {
  const journal = new Journal();
  const platform: Platform = {
    clock: new PlatformClock(),
    settings: settle(options),
    journal,
    faults: new FaultBook(journal),
  };
  const bots = new Bots(platform);
  const sockets = new Sockets(journal);
  const api = new Api({
    platform,
    bots,
    sockets,
    coldStarts: new ColdStarts(platform.settings.coldStart, platform.clock),
  });
  const host = options.host ?? '127.0.0.1';
  const door = new Listener({ host, port: options.port ?? 0, tls: options.tls }, (request, response) => {
    // A client that goes away in the middle of its request is no news.
    api.handle(request, response).catch(() => response.destroy());
  });

  const handles = new Map<Bot, BotHandle>();
  const addBot = (account: BotAccount): BotHandle => {
    const bot = bots.add(account);
    const handle = new BotHandle(bot, platform);
    handles.set(bot, handle);
    return handle;
  };
  const token = options.token ?? `700000001:${newSecret()}`;
  const first = addBot({ token });
  for (const account of options.bots ?? []) addBot(account);
  await door.open();

  const stop = () => door.down();
  const close = async () => {
    await stop();
    for (const bot of bots.all()) bot.desk.close();
  };
  return {
    url: `${options.tls === undefined ? 'http' : 'https'}://${host}:${door.port}`,
    token,
    get bots() {
      return [...handles.values()];
    },
    journal,
    faults: new Faults({ book: platform.faults, journal, bots, sockets, door }),
    clock: platform.clock,
    bot: (which) => (which === undefined ? first : handleOf(handles.values(), which)),
    addBot,
    stop,
    start: () => door.open(),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function handleOf(handles: Iterable<BotHandle>, which: string | number): BotHandle {
  for (const handle of handles) if (handle.id === which || handle.token === which) return handle;
  throw new Error('the emulator has no such bot');
}
