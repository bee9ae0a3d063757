/** An echo bot on `qq-official-bot`: answers each private message with `echo: …`. */
import { Bot } from 'qq-official-bot';

const bot = new Bot({
  appid: process.env.APP_ID ?? '',
  secret: process.env.CLIENT_SECRET ?? '',
  sandbox: false,
  removeAt: true,
  logLevel: 'warn',
  maxRetry: 10,
  intents: ['GROUP_AND_C2C_EVENT'],
  mode: 'websocket',
} as never);
bot.on('message.private', async (event: { raw_message: string; reply(text: string): Promise<unknown> }) => {
  console.log(`heard ${event.raw_message}`);
  await event.reply(`echo: ${event.raw_message}`);
});
await bot.start();
