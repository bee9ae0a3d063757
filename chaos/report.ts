/** The result as Markdown: what docs/chaos-report.md is made of. */
import type { CauseResult } from './cause-result.ts';
import { CAUSES } from './faults/fault.ts';
import { hostsInWords } from './hosts/in-words.ts';
import type { ChaosResult } from './result.ts';
import { AGENT_DELAY_MS, BURST, CONNECTIONS, childrenPerGroup, GROUPS, PEOPLE, WORKER_GROUPS } from './settings.ts';
import { P99_FROM, type Spread } from './spread.ts';
import { verdicts } from './targets.ts';

const EXAMPLES = 10;
/** Load per core above which latencies say more about waiting for a core than about Holdfast. */
const BUSY = 2;
const BUSY_REMARK =
  '**The machine was overloaded**, by this run and by other programs: processes waited for a core many times longer than they used it. What is counted (lost, doubled, old tokens) holds all the same; latencies are upper bounds, and a quiet machine is worth another run.';

export function markdownOf(result: ChaosResult): string {
  return [
    '# Chaos report',
    `Made by \`npm run chaos -- --seed ${result.seed}\`. The seed gives the same faults in the same order; their timing is the machine's.`,
    ...setting(result),
    '## Targets',
    table(
      ['target', 'measured', 'verdict', 'remark'],
      verdicts(result).map(({ target, measured, verdict, remark }) => [target, measured, verdict, remark]),
    ),
    '## Takeover by cause',
    `From the fault to RESUMED in the platform's journal, ms; one sample per connection. “Until the dial” is noticing, deciding and claiming; the rest is dial, Hello and Resume. p99 only from ${P99_FROM} samples on. Faults without samples cost no connection its session.`,
    table(
      ['cause', 'times', 'samples', 'p50', 'p95', 'p99', 'max', 'until the dial p50', 'max', 'by Identify'],
      result.causes.map(causeRow),
    ),
    '## What users saw',
    table(['', ''], counts(result)),
    ...(result.hosts == null ? [] : ['## Lost hosts', ...hostsInWords(result.hosts)]),
    '## How it is measured',
    METHOD,
    ...list('Complaints', result.complaints),
    ...list('Lost', result.lost),
    ...list('Doubled', result.doubled),
    ...list('Out of order', result.outOfOrder),
    ...list('Unasked for', result.stray),
  ].join('\n\n');
}

function setting({
  date,
  seed,
  machine,
  timings,
  leaseMs,
  tookMs,
  faults,
  killed,
  driverLagMs,
}: ChaosResult): string[] {
  const { cpu, cores, memoryGb, system, node, redis, load5 } = machine;
  return [
    table(
      ['', ''],
      [
        ['date', date],
        ['seed', String(seed)],
        ['machine', `${cpu}, ${cores} cores, ${memoryGb} GB, ${system}`],
        ['versions', `Node ${node}, Redis ${redis} (append-only file, fsync always)`],
        ['timings', `${timings}: lease ${leaseMs} ms`],
        ['length', `${Math.round(tookMs / 1_000)} s, ${faults} faults, ${killed} processes killed`],
        [
          'load',
          `${load5} on average over the last 5 minutes; the measuring process late by p99 ${driverLagMs.p99} ms, at most ${driverLagMs.max} ms`,
        ],
      ],
    ),
    `${CONNECTIONS} bots with ${PEOPLE} private chats and ${GROUPS} groups each; ${WORKER_GROUPS} workers with ${childrenPerGroup(timings === 'scaled')} children each hold the connections; two schedulers, two agent workers, two delivery workers. A chat says 1 to ${BURST} messages at once; the agent thinks for ${AGENT_DELAY_MS[0]} to ${AGENT_DELAY_MS[1]} ms. All of it, with the platform, ran on this one machine.`,
    ...(load5 > BUSY * cores ? [BUSY_REMARK] : []),
  ];
}

function causeRow({ cause, times, takeover, untilDial, identified }: CauseResult): string[] {
  const cells = (spread: Spread | null) =>
    spread === null
      ? ['0', '–', '–', '–', '–']
      : [spread.count, spread.p50, spread.p95, spread.p99 ?? '–', spread.max].map(String);
  return [
    `${cause} (${CAUSES[cause]})`,
    String(times),
    ...cells(takeover),
    String(untilDial?.p50 ?? '–'),
    String(untilDial?.max ?? '–'),
    takeover === null ? '–' : String(identified),
  ];
}

function counts(result: ChaosResult): string[][] {
  const { oldTokenWrites, overlap } = result;
  return [
    ['messages sent', result.sent],
    ['answered', result.answered],
    ['lost', result.lost.length],
    ['doubled', result.doubled.length],
    ['out of order', result.outOfOrder.length],
    ['answers nobody asked for', result.stray.length],
    ['repeated events that were recognised', result.duplicatesDropped],
    ['gaps recorded', result.gaps],
    ['stale writes refused', result.staleWritesRefused],
    ['writes tried under overtaken tokens', oldTokenWrites.tried],
    ['of those accepted', oldTokenWrites.accepted],
    ['time with two authenticated sockets of one bot', `${overlap.ms} ms (at most ${overlap.peak} at once)`],
    ['sockets that a Resume replaced', result.displaced],
    ['Identifies used, after the first of each bot', result.identifies],
  ].map((row) => row.map(String));
}

const METHOD = `- *Lost, doubled, out of order* are counted by what the platform's users see, by message id, after the run has fallen silent.
- *Stale writes refused* are those of overtaken holders, turns and deliveries that Redis refused by itself, as the connections' counters say.
- *Writes under overtaken tokens*: after each takeover the run writes with the real old token, through the functions that a holder uses: an event with its cursor, a renewal with its heartbeat, the end of the tenure. An accepted one is counted; an event would also show up as an answer nobody asked for. What an overtaken process may have had accepted on its own is not seen directly: the same scripts decide about it.
- *Two authenticated sockets*: the emulated platform closes a session's older socket when a newer one resumes it (4902), as the real one is reported to do. So this time is short by the platform's doing; how often it had to is “sockets that a Resume replaced”, and a frozen holder is always one of those.
- *Handed over* counts from the wish in Redis, without the time the command takes to start.`;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function list(title: string, lines: readonly string[]): string[] {
  if (lines.length === 0) return [];
  const shown = lines.slice(0, EXAMPLES).map((text) => `- ${text.split('\n').join('\n  ')}`);
  const rest = lines.length > EXAMPLES ? [`- … and ${lines.length - EXAMPLES} more`] : [];
  return [`## ${title}`, [...shown, ...rest].join('\n')];
}
