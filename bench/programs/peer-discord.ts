/** `@discordjs/ws` as its documentation shows it, counting events. */
import { REST } from '@discordjs/rest';
import { WebSocketManager, WebSocketShardEvents } from '@discordjs/ws';
import { counting } from '../support/count-events.ts';

const count = counting();
const rest = new REST({ api: process.env.EMULATOR_API ?? '' }).setToken('bench');
const manager = new WebSocketManager({
  token: 'bench',
  intents: 1 << 9,
  rest,
  shardCount: 1,
});
manager.on(WebSocketShardEvents.Dispatch, ({ t }: { t: string }) => {
  if (t === 'MESSAGE_CREATE') count();
});
manager.on(WebSocketShardEvents.Error, () => undefined);
await manager.connect();
