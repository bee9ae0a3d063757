/** An echo bot on `@satorijs/adapter-qq`: answers each message with `echo: …`. */
import { createRequire } from 'node:module';

// The package calls itself a module and ships CommonJS only, so a plain import of it fails.
const require = createRequire(import.meta.url);
const { Context, HTTP } = require('@satorijs/core');
const { default: QQBot } = require('@satorijs/adapter-qq');

interface Sender {
  sendMessage(channelId: string, text: string, referrer: undefined, options: { session: object }): Promise<unknown>;
}

const app = new Context();
app.plugin(HTTP);
app.plugin(QQBot, {
  id: process.env.APP_ID,
  secret: process.env.CLIENT_SECRET,
  type: 'public',
  endpoint: process.env.EMULATOR_API,
  intents: 1 << 25,
  protocol: 'websocket',
  // The default of 5 s would only make the test slow.
  retryInterval: 200,
});
app.on('message', async (session: { content: string; channelId: string; bot: Sender }) => {
  console.log(`heard ${session.content}`);
  await session.bot.sendMessage(session.channelId, `echo: ${session.content}`, undefined, { session });
});
await app.start();
