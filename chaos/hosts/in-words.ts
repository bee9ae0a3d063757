/** What the report says about the run about lost hosts, besides its takeover times. */
import type { HostsResult } from './result.ts';

export function hostsInWords(result: HostsResult): string[] {
  const { date, seed, tookMs, load5, driverLagMs, cause, letGo, leaseMs, oldTokenWrites } = result;
  const counted = [
    `${result.answered} of ${result.sent} messages answered`,
    `${result.lost.length} lost`,
    `${result.doubled.length} doubled`,
    `${result.outOfOrder.length} out of order`,
    `${result.stray.length} unasked for`,
    `${result.identifies} Identifies after the first of each bot`,
    `${oldTokenWrites.accepted} of ${oldTokenWrites.tried} writes under overtaken tokens accepted`,
  ];
  return [
    `A run of its own (\`npm run chaos:hosts -- --seed ${seed}\`), ${date}, ${Math.round(tookMs / 1_000)} s, load ${load5}, the measuring process late by p99 ${driverLagMs.p99} ms, at most ${driverLagMs.max} ms. Two hosts with a connection worker each, a third with Redis and everything else, in network namespaces of the same machine; ${cause.times} times the host that held more was cut off, by turns with its cable pulled and with packets vanishing on a link that looks healthy, at a random moment between two renewals, and healed after the takeover.`,
    ...(letGo === null
      ? []
      : [
          `The cut worker closed its sockets by itself ${letGo.p50} ms (p50) to ${letGo.max} ms (max) after the cut, before its lease of ${leaseMs} ms could have run out. Who takes over has to wait for that lease, so a lost host costs nearly all of it.`,
        ]),
    `${counted.join(', ')}.`,
    ...(result.complaints.length === 0 ? [] : [result.complaints.map((text) => `- ${text}`).join('\n')]),
  ];
}
