/**
 * telegram-test-api, a Telegram emulator by other authors, started for one test. It has no long polls, no offsets and
 * no errors; it is asked about the shape of what is sent and received only.
 */
import { createServer } from 'node:net';
import { TelegramServer } from 'telegram-test-api/lib/telegramServer.js';

export interface TelegramPeer extends AsyncDisposable {
  readonly url: string;
  /** A user with id 5 in a private chat says it. */
  say(token: string, text: string): Promise<void>;
}

export async function startTelegramPeer(): Promise<TelegramPeer> {
  const port = await freePort();
  const server = new TelegramServer({ host: '127.0.0.1', port });
  await server.start();
  return {
    url: `http://127.0.0.1:${port}`,
    say: async (token, text) => {
      const alice = server.getClient(token, { userId: 5, chatId: 5, firstName: 'Alice', userName: 'alice' });
      await alice.sendMessage(alice.makeMessage(text));
    },
    [Symbol.asyncDispose]: async () => {
      await server.stop();
    },
  };
}

/** It takes port 0 for its default port, so one has to be found for it. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() =>
        typeof address === 'object' && address !== null ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}
