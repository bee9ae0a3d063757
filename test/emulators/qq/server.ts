/** The emulator put together: two ports, one platform behind them, and the handles a test holds. */
import { randomBytes } from 'node:crypto';
import { Listener } from '../listener.ts';
import { Bots } from './bot.ts';
import { FaultBook } from './fault-book.ts';
import { Faults } from './faults.ts';
import { Gateway } from './gateway.ts';
import { Journal } from './journal.ts';
import { accountsOf, type BotAccount, type QqOptions, settle } from './options.ts';
import { type C2cUser, type Channel, type DirectMessages, type Group, People, type Said } from './people.ts';
import { RestApi } from './rest.ts';
import { SendDesk } from './send-desk.ts';
import { type SocketView, viewOf } from './view.ts';

/** The view of one bot's connection at one instant. */
export interface BotView {
  /** ms since the epoch */
  readonly at: number;
  /** True when some socket is authenticated, open, and gets both ACKs and events. */
  readonly live: boolean;
  readonly sockets: readonly SocketView[];
}

/** One bot and the people it knows. */
export interface EmulatedBot {
  readonly account: BotAccount;
  /** A private chat. The user exists from this call on. */
  user(openid: string): C2cUser;
  group(groupOpenid: string): Group;
  channel(guildId: string, channelId: string): Channel;
  dm(guildId: string): DirectMessages;
  /** Any event at all. */
  event(t: string, d: Readonly<Record<string, unknown>>): Said;
  /** Any text at all as an event. @param members - what follows `{"op":0,"s":N,`, without the last brace */
  verbatim(members: string): Said;
  /** Every access token given out, to search logs and stores for them. */
  tokens(): string[];
  /** Authenticated sockets right now; half-open ones do not count, nobody is behind them for the platform. */
  liveSockets(): number;
  /** Most authenticated sockets at once, and for how many ms there were two or more. */
  overlap(): { readonly peak: number; readonly overlapMs: number };
  view(): BotView;
}

/** The emulated platform; methods of {@link EmulatedBot} on it speak of the default bot. */
export interface QqEmulator extends EmulatedBot, AsyncDisposable {
  readonly appId: string;
  readonly clientSecret: string;
  /** `http://127.0.0.1:port` */
  readonly apiBaseUrl: string;
  readonly tokenUrl: string;
  /** `ws://127.0.0.1:port/websocket/`, what `/gateway` answers. */
  readonly gatewayUrl: string;
  readonly journal: Journal;
  readonly faults: Faults;
  /** @throws Error for an app id the platform does not know */
  bot(appId: string): EmulatedBot;
  addBot(account: BotAccount): EmulatedBot;
  /** The whole platform goes away: all connections are reset and both ports refuse. Sessions and chats are kept. */
  stop(): Promise<void>;
  /** Comes back under the same ports. */
  start(): Promise<void>;
  /** Ends for good; the same as disposing. Safe to call twice. */
  close(): Promise<void>;
}

/**
 * Starts an emulated QQ Bot platform, on 127.0.0.1 unless told otherwise.
 * @example
 * await using qq = await startQq({ heartbeatIntervalMs: 200 });
 * const said = qq.user('ALICE').say('hello');
 * await qq.journal.waitUntil(() => qq.journal.repliesTo(said.messageId).length === 1);
 */
export async function startQq(options: QqOptions = {}): Promise<QqEmulator> {
  const settings = settle(options);
  const accounts = accountsOf(options, () => randomBytes(16).toString('hex'));
  const journal = new Journal();
  const book = new FaultBook(journal);
  const bots = new Bots(settings, accounts);
  const gateway = new Gateway(settings, bots, book, journal);
  const rest = new RestApi(settings, bots, book, journal, new SendDesk(settings, book, journal, gateway));
  const { host = '127.0.0.1', tls } = options;
  const secure = tls === undefined ? '' : 's';
  const doors = {
    api: new Listener({ host, port: options.ports?.api ?? 0, tls }, (request, response) => {
      // A client that goes away in the middle of its request is no news.
      rest.handle(request, response).catch(() => response.destroy());
    }),
    gateway: new Listener(
      { host, port: options.ports?.gateway ?? 0, tls },
      (_request, response) => response.writeHead(426).end(),
      (request, socket, head) => gateway.upgrade(request, socket, head),
    ),
  };
  await doors.api.open();
  await doors.gateway.open();
  const apiBaseUrl = `http${secure}://${host}:${doors.api.port}`;
  rest.gatewayUrl = `ws${secure}://${host}:${doors.gateway.port}/websocket/`;

  const handles = new Map<string, EmulatedBot>();
  const handle = (appId: string): EmulatedBot => {
    const known = handles.get(appId) ?? makeHandle(bots, gateway, appId);
    handles.set(appId, known);
    return known;
  };
  const stop = async () => {
    await Promise.all([doors.api.down(), doors.gateway.down()]);
  };
  const close = async () => {
    await stop();
    gateway.close();
  };
  const [account] = accounts;
  return {
    ...handle(account.appId),
    appId: account.appId,
    clientSecret: account.clientSecret,
    apiBaseUrl,
    tokenUrl: `${apiBaseUrl}/app/getAppAccessToken`,
    gatewayUrl: rest.gatewayUrl,
    journal,
    faults: new Faults(book, journal, bots, gateway, doors),
    bot: handle,
    addBot: (added) => handle(bots.add(added).appId),
    stop,
    start: async () => {
      await doors.api.open();
      await doors.gateway.open();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function makeHandle(bots: Bots, gateway: Gateway, appId: string): EmulatedBot {
  const bot = bots.get(appId);
  if (bot === undefined) throw new Error(`the emulator has no bot ${appId}`);
  const people = new People(bot, gateway);
  return {
    account: bot.account,
    user: (openid) => people.user(openid),
    group: (openid) => people.group(openid),
    channel: (guildId, channelId) => people.channel(guildId, channelId),
    dm: (guildId) => people.dm(guildId),
    event: (t, d) => people.event(t, d),
    verbatim: (members) => people.verbatim(members),
    tokens: () => bot.tokens.values(),
    liveSockets: () => gateway.attendance.now(appId),
    overlap: () => gateway.attendance.overlap(appId),
    view: () => {
      const sockets = gateway.open(appId).map(viewOf);
      return { at: Date.now(), live: sockets.some((socket) => socket.responsive), sockets };
    },
  };
}
