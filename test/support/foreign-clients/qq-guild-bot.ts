/** An echo bot on `qq-guild-bot`, which knows guild messages and the old token scheme only. */
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { createOpenAPI, createWebsocket } = require('qq-guild-bot');

const config = {
  appID: process.env.APP_ID,
  token: process.env.CLIENT_SECRET,
  intents: ['PUBLIC_GUILD_MESSAGES'],
  sandbox: false,
};
const api = createOpenAPI(config);
const socket = createWebsocket(config);
socket.on('PUBLIC_GUILD_MESSAGES', async ({ msg }: { msg: { id: string; channel_id: string; content: string } }) => {
  console.log(`heard ${msg.content}`);
  await api.messageApi.postMessage(msg.channel_id, { content: `echo: ${msg.content}`, msg_id: msg.id });
});
