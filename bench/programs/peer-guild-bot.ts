/** `qq-guild-bot` as its documentation shows it, counting messages of channels, which are all it knows. */
import { createRequire } from 'node:module';
import { counting } from '../support/count-events.ts';

const require = createRequire(import.meta.url);
const { createWebsocket } = require('qq-guild-bot');

// It tells the console about its frames.
console.log = () => undefined;
const count = counting();
const socket = createWebsocket({
  appID: '102000000',
  token: 'secret-of-bot-0',
  intents: ['PUBLIC_GUILD_MESSAGES'],
  sandbox: false,
});
socket.on('PUBLIC_GUILD_MESSAGES', count);
