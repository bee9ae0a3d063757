/** `@satorijs/adapter-qq` as its documentation shows it, counting messages. */
import { createRequire } from 'node:module';
import { counting } from '../support/count-events.ts';

// The package calls itself a module and ships CommonJS only, so a plain import of it fails.
const require = createRequire(import.meta.url);
const { Context, HTTP } = require('@satorijs/core');
const { default: QQBot } = require('@satorijs/adapter-qq');

const count = counting();
const app = new Context();
app.plugin(HTTP);
app.plugin(QQBot, {
  id: '102000000',
  secret: 'secret-of-bot-0',
  type: 'public',
  endpoint: process.env.EMULATOR_API,
  intents: 1 << 25,
  protocol: 'websocket',
});
app.on('message', count);
await app.start();
