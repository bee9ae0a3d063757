/**
 * From what the agent said to what goes into the outbox. Pure: quota and the connection's policy for what exceeds it decide
 * between reply, message of its own, and dead letter. Whether a reply comes too late is for the platform to say.
 */
import type { Sender } from '../adapters/adapter.ts';
import type { AgentReply } from '../agents/agent.ts';
import type { InboundEvent, ReplyHandle } from '../model.ts';
import type { NewDeadLetter } from '../state/dead-letters.ts';
import type { NewPart } from '../state/lanes.ts';

export interface ReplyPlanRequest {
  readonly turnId: string;
  readonly replies: readonly AgentReply[];
  /** Reply parts given so far, by reply key. */
  readonly used: ReadonlyMap<string, number>;
  readonly sender: Pick<Sender, 'split'>;
  /** Whether what no longer goes as a reply goes as a message of its own; else it becomes a dead letter. */
  sendsLate(event: InboundEvent): boolean;
  /** Whether a reply is not worth a try any more. */
  isOver(event: InboundEvent): boolean;
}

export interface ReplyPlan {
  readonly parts: readonly NewPart[];
  readonly letters: readonly NewDeadLetter[];
}

export function isLate(reply: ReplyHandle | null, now: number): boolean {
  return reply !== null && reply.deadlineAt !== null && reply.deadlineAt <= now;
}

export function planReplies(request: ReplyPlanRequest): ReplyPlan {
  const used = new Map(request.used);
  const parts: NewPart[] = [];
  const letters: NewDeadLetter[] = [];
  for (const { to, text } of request.replies) {
    const { conversation, reply } = to;
    if (reply === null || conversation === null) {
      letters.push(
        sendLetter(conversation ?? '', text, 'rejected', 'NO_ADDRESS', 'the message cannot be replied to', null),
      );
      continue;
    }
    const left = request.isOver(to) ? 0 : roomLeft(reply, used.get(reply.key) ?? 0);
    // A sender is never asked for no parts at all.
    const whole = request.sender.split(text, left === 0 ? null : left);
    const passive = left === 0 ? [] : whole.parts;
    const overflow = left === 0 ? [...whole.parts, ...whole.overflow] : whole.overflow;
    const part = (mode: NewPart['mode'], piece: string): NewPart => ({
      id: `${request.turnId}/${parts.length + 1}`,
      conversation,
      text: piece,
      reply,
      mode,
    });
    for (const piece of passive) parts.push(part('passive', piece));
    used.set(reply.key, (used.get(reply.key) ?? 0) + passive.length);
    if (overflow.length === 0) continue;
    if (request.sendsLate(to)) {
      for (const piece of overflow) parts.push(part('active', piece));
      continue;
    }
    const [code, reason] = request.isOver(to)
      ? ['REPLY_WINDOW', 'the answer came after the reply window had closed']
      : ['REPLY_QUOTA', `the platform takes ${reply.quota} replies to one message`];
    for (const piece of overflow)
      letters.push(sendLetter(conversation, piece, 'too-late', code, reason, part('active', piece)));
  }
  return { parts, letters };
}

function roomLeft({ quota }: ReplyHandle, used: number): number | null {
  return quota === null ? null : Math.max(0, quota - used);
}

/** @param part - as a message of its own it can still be sent, when a person says so */
function sendLetter(
  conversation: string,
  text: string,
  outcome: NewDeadLetter['outcome'],
  code: string,
  reason: string,
  part: NewPart | null,
): NewDeadLetter {
  // The form of an outbox entry, before any ordinal was given.
  const body = part === null ? null : `0\n${JSON.stringify(part)}`;
  return { kind: 'send', outcome, code, reason, text, conversation, body };
}
