/** Notifications in words: short enough for a phone's lock screen, and with what to do next. */
import type { Notification, Rule, Subject } from './alert.ts';

type Facts = Pick<Notification, 'kind' | 'rule' | 'subjects'>;

/** Subjects named in a title, and in the text. */
const IN_TITLE = 3;
const IN_TEXT = 10;
/** Of one subject; a platform's answer may be long. */
const REASON_CHARS = 300;

export function describeNotification(facts: Facts): { title: string; text: string } {
  const title = titleOf(facts);
  const { kind, rule, subjects } = facts;
  const lines = subjects.slice(0, IN_TEXT).map((subject) => lineOf(kind, rule, subject));
  if (subjects.length > IN_TEXT) lines.push(`and ${subjects.length - IN_TEXT} more`);
  const advice = kind === 'recovered' ? [] : [ADVICE[rule]];
  return { title, text: [title, ...lines, ...advice].join('\n') };
}

const ADVICE: Readonly<Record<Rule, string>> = {
  down: 'It is tried again by itself. See "holdfast status"; what to do stands in docs/runbook.md.',
  rival: 'Stop the other program, or give it another bot.',
  parked: 'Correct what the reason names, then "holdfast connections resume ID".',
  flapping: 'It comes back each time. See "holdfast connections show ID" for why it ended.',
  'no-sweep': 'Nothing is restarted meanwhile. Look at the log of the schedulers, or start "holdfast scheduler".',
  redis: 'See docs/runbook.md, "Redis is full", "Redis is away" and "Redis began empty".',
  budget: 'Something starts new sessions too often: a restart loop, or a second program. See docs/runbook.md.',
  'dead-letters': 'See "holdfast messages dead"; "holdfast messages retry ID" tries one again.',
  'clock-skew': 'Set the clock of that host (NTP).',
  backlog: 'See "holdfast status", and docs/runbook.md, "Live, and nobody is answered".',
  agent: 'Look after the agent: messages wait for it, what it refused is in "holdfast messages dead".',
  sending: 'See "holdfast status", and docs/runbook.md, "Live, and nobody is answered".',
  queue: 'Find out who did it: another Bull Board, a script, redis-cli.',
};

function titleOf({ kind, rule, subjects }: Facts): string {
  const who = namesOf(subjects);
  const many = subjects.length > 1;
  if (kind === 'recovered') return `OK: ${endedTitle(rule, who, many)} (after ${spanOf(longest(subjects))})`;
  const title = firingTitle(rule, who, many);
  return kind === 'repeat' ? `STILL: ${title} (for ${spanOf(longest(subjects))})` : `ALERT: ${title}`;
}

function firingTitle(rule: Rule, who: string, many: boolean): string {
  switch (rule) {
    case 'down':
      return `${who} ${many ? 'are' : 'is'} down`;
    case 'rival':
      return `${who}: another program uses the same bot`;
    case 'parked':
      return `${who} ${many ? 'need' : 'needs'} a person`;
    case 'flapping':
      return `${who} ${many ? 'lose their connections' : 'loses its connection'} again and again`;
    case 'no-sweep':
      return 'no scheduler looks after the connections';
    case 'redis':
      return 'Redis is in trouble';
    case 'budget':
      return `few new sessions are left for ${who}`;
    case 'dead-letters':
      return `messages of ${who} could not be answered or sent`;
    case 'clock-skew':
      return `the clock of ${who} is wrong`;
    case 'backlog':
      return `messages wait and nobody takes them up (${who})`;
    case 'agent':
      return `nobody is answered: ${who === 'main' ? 'the agent' : `the agent of ${who}`} gives no answers`;
    case 'sending':
      return `answers are not sent (${who})`;
    case 'queue':
      return `somebody else changed the settings of the queue ${who}`;
    default:
      return rule satisfies never;
  }
}

function endedTitle(rule: Rule, who: string, many: boolean): string {
  switch (rule) {
    case 'down':
    case 'rival':
    case 'parked':
      return `${who} ${many ? 'are' : 'is'} no longer down`;
    case 'flapping':
      return `${who} ${many ? 'stay' : 'stays'} connected`;
    case 'no-sweep':
      return 'a scheduler looks after the connections again';
    case 'redis':
      return 'Redis is well again';
    case 'budget':
      return `there are new sessions again for ${who}`;
    case 'dead-letters':
      return `messages of ${who} go out again`;
    case 'clock-skew':
      return `the clock of ${who} is right again`;
    case 'backlog':
      return `messages are taken up again (${who})`;
    case 'agent':
      return 'the agent answers again';
    case 'sending':
      return `answers are sent again (${who})`;
    case 'queue':
      return `the settings of the queue ${who} stay as they should`;
    default:
      return rule satisfies never;
  }
}

function lineOf(kind: Notification['kind'], rule: Rule, { name, reason, since, forMs, stored }: Subject): string {
  const why = reason.length > REASON_CHARS ? `${reason.slice(0, REASON_CHARS)}…` : reason;
  if (rule === 'dead-letters') return `- ${name}: ${why}`;
  if (kind !== 'recovered') return `- ${name}: ${why} (since ${since}, ${spanOf(forMs)})`;
  return `- ${name}: ${spanOf(forMs)} since ${since}${stored === null ? '' : `; ${storedInWords(stored)}`} (${why})`;
}

function storedInWords({ events, gaps }: NonNullable<Subject['stored']>): string {
  const messages = `${events} message${events === 1 ? '' : 's'} stored since it was lost`;
  return gaps === 0 ? messages : `${messages}; ${gaps} gap${gaps === 1 ? '' : 's'}: the platform may have lost some`;
}

function namesOf(subjects: readonly Subject[]): string {
  const names = subjects.slice(0, IN_TITLE).map(({ name }) => name);
  const more = subjects.length - names.length;
  return more > 0 ? `${names.join(', ')} and ${more} more` : names.join(', ');
}

function longest(subjects: readonly Subject[]): number {
  return Math.max(...subjects.map(({ forMs }) => forMs));
}

/** @returns `45 s`, `2 min 13 s`, `3 h 5 min`, `2 d 4 h` */
export function spanOf(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return pair(minutes, 'min', seconds % 60, 's');
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? pair(hours, 'h', minutes % 60, 'min') : pair(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

function pair(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}
