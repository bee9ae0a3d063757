/** The gateway's process. */
import { openDoor } from '../gateway/door.ts';
import type { GatewayOrders, GatewaySettings } from '../gateway/orders.ts';
import { People } from '../gateway/talk.ts';
import { obey } from '../support/child.ts';

const settings = JSON.parse(process.argv[2] ?? '{}') as GatewaySettings;
let people: People | undefined;
const door = await openDoor({ ...settings, onReply: (replyTo) => people?.onReply(replyTo) });
people = new People(door.sessions);
const said = people;

obey<GatewayOrders & { address: { ask: object; answer: { port: number } } }>({
  address: () => ({ port: door.port }),
  async untilLive({ count }) {
    await door.sessions.untilLive(count);
    return { at: door.sessions.confirmedAt };
  },
  look: () => ({ live: door.sessions.live.length, longestBeatGapMs: door.sessions.longestBeatGapMs }),
  resumed: ({ after }) => ({ resumed: door.sessions.resumed.filter(({ at }) => at > after) }),
  flood: (talk) => said.flood(talk),
  floodAnswered: (talk) => said.floodAnswered(talk),
  pace: async (order) => ({ latencies: await said.pace(order) }),
});
