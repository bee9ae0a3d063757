/**
 * Why a connection is not live, as a class: what fails for one reason fails with many texts (a reset, then a refused
 * dial, then a timeout), and is told in one message.
 */

/** The first that fits decides. */
const CAUSES: readonly (readonly [string, RegExp])[] = [
  ['rival', /\brival\b|conflict|webhook is set|\b4902\b/i],
  ['proxy', /[Pp]rox(y|ies)|\bCONNECT\b|SOCKS/],
  [
    'no-worker',
    /no worker|waiting for a worker|lease of|no scheduler|holder \S{1,200} has been silent|declared dead|drained/i,
  ],
  ['defect', /a defect ended it/i],
  ['credentials', /secret|token (was )?refused|credential|unauthori[sz]ed|\b401\b/i],
  ['budget', /identify (limit|budget)|sessions? limit/i],
  ['storage', /storage is full|Redis/i],
  [
    'network',
    /E(CONN|NOTFOUND|AI_AGAIN|TIMEDOUT|HOST|NET|PIPE)|timed out|not open within|no answer within|DNS|reset|half-open|\b1006\b|socket|closed|gateway/i,
  ],
];

/** @returns a word of a small set, or the reason itself without what differs from one connection to the next */
export function causeOf(reason: string): string {
  const known = CAUSES.find(([, pattern]) => pattern.test(reason));
  return known === undefined ? reason.replace(/\d+/g, '#').slice(0, 80) : known[0];
}
