/** A transport whose HTTP answers tell what time it is at the platform. */

import type { Clock } from '../async/clock.ts';
import type { OwnedTransport } from '../http/transport.ts';
import type { PlatformClock } from './platform-clock.ts';

export function tellTime(transport: OwnedTransport, platformClock: PlatformClock, clock: Clock): OwnedTransport {
  const { http } = transport;
  return {
    ...transport,
    http: {
      ...http,
      async request(request, options) {
        const from = clock.monotonic();
        const answer = await http.request(request, options);
        platformClock.answered(answer.headers.date, from, clock.monotonic());
        return answer;
      },
    },
  };
}
