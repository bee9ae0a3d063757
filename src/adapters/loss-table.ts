/**
 * docs/what-can-be-lost.md, made from the capability records: what users are promised is what the adapters declare and
 * the conformance suite checks. `npm run capabilities` writes the file; a test fails while it is not current.
 */
import type { Adapter, Capabilities, ReplyLimit } from './adapter.ts';

/** One line of the table: what is asked, and the answer of one record. */
type Row = readonly [question: string, answer: (can: Capabilities) => string];

const RECEPTION: readonly Row[] = [
  ['events come by', ({ family }) => FAMILY[family]],
  ['who may hold an account', ({ sharing }) => SHARING[sharing]],
  ['messages during an outage, a crash, a takeover', (can) => replayOf(can)],
  ['lost at the platform, and a *gap record* says so', ({ gaps }) => listed(gaps)],
  ['lost, and nothing says so', ({ silentLosses }) => listed(silentLosses)],
  ['the platform hears that a message has arrived', ({ acknowledgement }) => ACKNOWLEDGEMENT[acknowledgement]],
  ['a message that comes again is known', ({ dedupeWindowMs }) => `for ${duration(dedupeWindowMs)}, by its id`],
  ['order', ({ ordering }) => ORDERING[ordering]],
  ['while Redis is away or full', ({ pause }) => PAUSE[pause]],
  ['what is understood (edits are kept aside)', ({ receives }) => ['text', ...receives].join(', ')],
];

const SENDING: readonly Row[] = [
  ['an answer whose fate is unknown', ({ sendIdempotency }) => REPEATS[sendIdempotency]],
  ['an answer can be given', ({ replyLimits }) => limits(replyLimits)],
  ['sending needs the held connection', ({ sendNeedsConnection }) => (sendNeedsConnection ? 'yes' : 'no')],
  ['longest text of one message', ({ maxTextLength }) => `${maxTextLength} UTF-16 units; longer ones are split`],
  ['what an answer can be', ({ sends }) => ['text', ...sends].join(', ')],
];

const FAMILY: Readonly<Record<Capabilities['family'], string>> = {
  'long-poll': 'long polling',
  websocket: 'a WebSocket that stays open',
};

const SHARING: Readonly<Record<Capabilities['sharing'], string>> = {
  exclusive: 'one at a time; a second one is a conflict, which is named and waited out',
  'exclusive-per-slot': 'one at a time for each session',
  shared: 'several; each event goes to one of them',
  broadcast: 'several; each event goes to all of them',
};

const ACKNOWLEDGEMENT: Readonly<Record<Capabilities['acknowledgement'], string>> = {
  'cumulative-next-call': 'with the next poll, after it is stored',
  'implicit-session': 'with heartbeats and Resume, which carry the stored position',
  'per-event': 'one by one, after each is stored',
  none: 'never',
};

const ORDERING: Readonly<Record<Capabilities['ordering'], string>> = {
  total: 'as the platform has it',
  'per-conversation': 'as the platform has it, within a conversation',
  none: 'not promised by the platform',
};

const PAUSE: Readonly<Record<Capabilities['pause'], string>> = {
  'pause-poll': 'nothing more is asked for; it waits at the platform',
  'pause-socket': 'nothing more is read; when that takes too long the socket is dropped, and the session kept',
  'withhold-ack': 'nothing is acknowledged; the platform sends it again',
};

const REPEATS: Readonly<Record<Capabilities['sendIdempotency'], string>> = {
  key: 'sent again under a key that the platform takes once: delivered once',
  'key-on-replies':
    'private chats and groups: sent again under a key that the platform takes once. Elsewhere, and for messages that answer nothing: not repeated, kept as a dead letter `unknown`',
  none: 'not repeated, kept as a dead letter `unknown`, unless the configuration asks for at-least-once',
};

function replayOf({ replay, replayWindowMs }: Capabilities): string {
  const window = replayWindowMs === null ? 'how long it keeps them is undocumented' : `for ${duration(replayWindowMs)}`;
  switch (replay) {
    case 'replayable':
      return `kept by the platform and handed out from the stored position on (${window})`;
    case 'redelivered-if-unacked':
      return `sent again by the platform until they are acknowledged (${window})`;
    case 'lost':
      return 'lost; a gap record says so';
    default:
      return replay satisfies never;
  }
}

function limits(replyLimits: readonly ReplyLimit[]): string {
  if (replyLimits.length === 0) return 'at any time';
  const each = ({ where, windowMs, quota }: ReplyLimit) =>
    `${where}: for ${duration(windowMs)}${quota === null ? '' : `, ${quota} times`}`;
  return `${listed(replyLimits.map(each))}<br>later ones as \`lateReply\` says`;
}

function listed(items: readonly string[]): string {
  return items.length === 0 ? '–' : items.map((item) => `· ${item}`).join('<br>');
}

function duration(ms: number): string {
  return ms >= 2 * 3_600_000 ? `${ms / 3_600_000} h` : `${ms / 60_000} min`;
}

function table(rows: readonly Row[], adapters: readonly Adapter[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    line(['', ...adapters.map(({ platform }) => platform)]),
    line(['---', ...adapters.map(() => '---')]),
    ...rows.map(([question, answer]) => line([question, ...adapters.map(({ capabilities }) => answer(capabilities))])),
  ].join('\n');
}

/** The whole page, Markdown. */
export function lossPage(adapters: readonly Adapter[]): string {
  return `# What can be lost, when

<!-- Made by \`npm run capabilities\` from the adapters' capability records; do not edit. -->

What the adapters declare about their platforms, and [every adapter's tests](writing-an-adapter.md#the-conformance-suite)
hold them to. What of a platform is documented, seen or guessed: [docs/protocols](protocols).

## Receiving

${table(RECEPTION, adapters)}

## Sending

${table(SENDING, adapters)}

## On every platform

| | |
| --- | --- |
| the stored position cannot be read, or belongs to other settings | a new start where the platform allows it, and a gap record |
| an agent's answer that was not stored before a crash | asked for again, with the same turn id |
| Redis loses its last second (\`appendfsync everysec\` and a power loss) | what was stored in it. The embedded default is \`always\` |
| Redis loses everything (no append-only file, a new disk) | what was in it: waiting messages, unsent replies, positions. Connections start anew by themselves, and a gap record of each says so, unless no process of ours outlived it |
| an answer that is too late or beyond the quota | tried as a reply first; once the platform refuses that, sent as a message of its own where it permits one (\`lateReply: active\`), else a dead letter |
| dead letters and records of one connection beyond about 1000 | the oldest go |
`;
}
