/**
 * What came in, on its way to the sink: every event travels with the cursor that covers it, so the stored position can
 * never run ahead of a stored event. Lives as long as a hold, across its sockets.
 *
 * @see openclaw/openclaw #109997 (position stored before its event: messages lost on a crash)
 */

import type { Clock } from '../../async/clock.ts';
import type { Logger } from '../../log.ts';
import type { Cursor, InboundEvent } from '../../model.ts';
import type { InboundSink } from '../adapter.ts';
import { aside } from '../aside.ts';
import { numberAt } from '../json-scan.ts';
import { MalformedLog } from '../malformed-log.ts';
import type { PlatformClock } from '../platform-clock.ts';
import { toInboundEvent } from './inbound.ts';
import type { QqOptions } from './options.ts';
import { DISPATCH, LONGEST_ID, type Ready } from './protocol.ts';
import {
  MAX_UNCONFIRMED_RESUMES,
  placeOf,
  readCursor,
  type Session,
  type SessionScope,
  storedSeq,
  toCursor,
} from './session.ts';
import type { Opening, Received } from './state.ts';

export interface InboxOptions {
  readonly sink: InboundSink;
  readonly scope: SessionScope;
  readonly groups: QqOptions['groups'];
  /** What the last holder stored. */
  readonly cursor: Cursor | null;
  readonly clock: Clock;
  readonly platformClock: PlatformClock;
  readonly log: Logger;
}

export class Inbox {
  readonly #options: InboxOptions;
  readonly #malformed: MalformedLog;
  readonly #unnumbered: MalformedLog;
  #session: Session | null;
  /** Why events may be missing when the next session begins. */
  #gap: string | null;
  /** Why the next dial is to identify although there is a session; only a READY ends that one. */
  #replacing: string | null = null;
  /** RESUMED frames that were sent to sockets we had lost: numbers that will rightly never come. */
  #lostControls = 0;
  #lastEventAt: number;
  #gatewayUrl: string | null;

  constructor(options: InboxOptions) {
    this.#options = options;
    this.#malformed = new MalformedLog(options.log, options.clock, 'a frame');
    this.#unnumbered = new MalformedLog(options.log, options.clock, 'the number of an event');
    const found = readCursor(options.cursor, options.scope);
    this.#session = found.session;
    this.#gap = found.gap;
    this.#gatewayUrl = found.gatewayUrl;
    this.#lastEventAt = options.clock.monotonic();
    if (found.gap !== null)
      options.log.warn({ event: 'session-unusable', reason: found.gap }, 'starting a new session');
  }

  /** Where the session was opened; kept when the session is dropped. */
  get gatewayUrl(): string | null {
    return this.#gatewayUrl;
  }

  /** The next dial identifies. Should that fail, the session is still there to be resumed. */
  replaceSession(reason: string): void {
    this.#replacing = reason;
  }

  /** Identify or Resume? A session that did not answer {@link MAX_UNCONFIRMED_RESUMES} Resumes is dropped here. */
  opening(): Opening {
    if (this.#session !== null && this.#session.unconfirmedResumes >= MAX_UNCONFIRMED_RESUMES) {
      this.drop(`${this.#session.unconfirmedResumes} Resumes in a row were neither confirmed nor refused`);
    }
    return this.#session === null || this.#replacing !== null ? 'identify' : 'resume';
  }

  /** The session is over; the next READY writes a gap record with this reason. */
  drop(reason: string): void {
    if (this.#session === null) return;
    this.#options.log.warn(
      { event: 'session-dropped', reason, sessionId: this.#session.sessionId },
      'session given up',
    );
    this.#gap = reason;
    this.#session = null;
  }

  /** The dial that was to replace the session failed. */
  keepSession(): void {
    this.#replacing = null;
  }

  /**
   * Counts one more unconfirmed Resume, for successors too, and says what to resume from: the *stored* position, because
   * the platform may forget what it believes we have. What is on its way to the store already is then replayed, and
   * deduplicated there.
   */
  resumeFrom(): { readonly sessionId: string; readonly seq: number } {
    const session = this.#mustHaveSession();
    const { sink } = this.#options;
    const stored = storedSeq(sink.storedCursor, session) ?? session.seq;
    this.#lostControls = session.unconfirmedResumes + (session.lostControls ?? 0);
    this.#move(session, { unconfirmedResumes: session.unconfirmedResumes + 1 });
    sink.push([], this.#cursor());
    return { sessionId: session.sessionId, seq: Math.min(session.seq, stored) };
  }

  /** The place of an event within this session, found without reading the frame; `null`: it is no event of it. */
  positionOf(raw: string): string | null {
    const s = numberAt(raw, 's');
    return this.#session === null || s === null || numberAt(raw, 'op') !== DISPATCH
      ? null
      : `${this.#session.sessionId}/${s}`;
  }

  /**
   * An event came, so the platform took the Resume. Stored before the event is read: the deaths of its readers must not
   * count as Resumes without an answer.
   */
  answeredAt(gatewayUrl: string): void {
    if (this.#session === null || this.#session.unconfirmedResumes === 0) return;
    const { unconfirmedResumes, lostControls = 0 } = this.#session;
    this.confirmed(gatewayUrl);
    this.#move(this.#session, { lostControls: lostControls + unconfirmedResumes });
    this.#options.sink.push([], this.#cursor());
  }

  /** The platform took the Resume at this URL. */
  confirmed(gatewayUrl: string): void {
    this.#move(this.#mustHaveSession(), { unconfirmedResumes: 0, gatewayUrl });
    this.#gatewayUrl = gatewayUrl;
  }

  identified(received: Received, ready: Ready, gatewayUrl: string): void {
    const { raw, receivedAt, dispatch } = received;
    if (this.#session !== null) this.drop(this.#replacing ?? 'the platform answered Resume with a new session');
    this.#replacing = null;
    this.#gatewayUrl = gatewayUrl;
    this.#session = {
      sessionId: ready.session_id,
      // READY has a number of its own; nonebot/adapter-qq PR #37 resumed wrongly without it.
      seq: dispatch.s ?? 0,
      gatewayUrl,
      user: ready.user === undefined ? null : { id: ready.user.id, name: ready.user.username ?? null },
      identifiedAt: this.#options.clock.now(),
      unconfirmedResumes: 0,
    };
    this.#lostControls = 0;
    const events = [aside('identified', 'a new session', raw, receivedAt)];
    if (this.#gap !== null) events.unshift(aside('gap', this.#gap, '', receivedAt));
    this.#gap = null;
    this.#options.sink.push(events, this.#cursor());
  }

  resumed(received: Received | null): void {
    if (this.#session?.lostControls) this.#move(this.#session, { lostControls: 0 });
    const receivedAt = received?.receivedAt ?? this.#options.clock.now();
    this.#take(
      received?.dispatch.s ?? null,
      [aside('resumed', 'session resumed', received?.raw ?? '', receivedAt)],
      receivedAt,
    );
  }

  /** @param from - a `stray` event is kept, but the cursor stays; a `replay` may repeat what was taken before */
  event(received: Received, from: 'live' | 'replay' | 'stray'): void {
    const { dispatch, raw, receivedAt } = received;
    const { groups } = this.#options;
    const event = toInboundEvent(received, { selfId: this.#session?.user?.id ?? null, groups });
    if (event.kind === 'malformed') this.#malformed.say(event.text, raw);
    this.#lastEventAt = this.#options.clock.monotonic();
    if (from !== 'stray' && dispatch.s === null) {
      // Taken all the same: its id tells whether it is a repetition. Only no Resume can begin after it.
      this.#unnumbered.say(`${dispatch.t.slice(0, LONGEST_ID)} has none that is usable: the position stays`, raw);
    }
    const { seq = null } = this.#session ?? {};
    if (from === 'live' && seq !== null && dispatch.s !== null && dispatch.s < seq) {
      const why = `the sequence went back from ${seq} to ${dispatch.s}`;
      this.#malformed.say(why, raw);
      this.#options.sink.push([aside('malformed', why, raw, receivedAt)], null);
    }
    this.#take(from === 'stray' ? null : dispatch.s, [this.#aged(event, from)], receivedAt);
  }

  /** Anything that cannot be an event: kept aside, and passed over. */
  malformed(why: string, raw: string, s: number | null): void {
    this.#malformed.say(why, raw);
    const receivedAt = this.#options.clock.now();
    this.#take(s, [aside('malformed', why, raw, receivedAt)], receivedAt);
  }

  /** The position to show the platform in heartbeats. */
  storedSeq(): number | null {
    return storedSeq(this.#options.sink.storedCursor, this.#session);
  }

  /** Ms since an event came, and since the session was created. */
  ages(): { readonly quietMs: number; readonly sessionMs: number } {
    const { clock } = this.#options;
    return {
      quietMs: clock.monotonic() - this.#lastEventAt,
      sessionMs: this.#session === null ? 0 : clock.now() - this.#session.identifiedAt,
    };
  }

  /**
   * The reply window of a live event begins when it comes. One that is replayed was kept back for a while; how long is told
   * by the platform's own clock alone, since ours may be wrong.
   */
  #aged(event: InboundEvent, from: 'live' | 'replay' | 'stray'): InboundEvent {
    const { platformClock, clock } = this.#options;
    const { platformAt, reply } = event;
    const at = clock.monotonic();
    if (platformAt === null) return event;
    if (from === 'live') platformClock.live(platformAt, at);
    if (from !== 'replay' || reply === null || reply.deadlineAt === null) return event;
    return { ...event, reply: { ...reply, deadlineAt: reply.deadlineAt - platformClock.ageOf(platformAt, at) } };
  }

  #take(s: number | null, events: readonly InboundEvent[], receivedAt: number): void {
    const session = this.#session;
    const { sink } = this.#options;
    const place = s === null || session === null ? null : placeOf(session.seq, s);
    if (place === null || session === null || s === null || place.kind === 'repeat' || place.kind === 'back') {
      // Replays overlap. An event that is really new is stored all the same: its id decides, not its number.
      sink.push(events, null);
      return;
    }
    const missing = place.kind === 'jump' ? place.missing - this.#forgive(place.missing) : 0;
    this.#move(session, { seq: s });
    sink.push(missing === 0 ? events : [this.#jump(session.seq, s, missing, receivedAt), ...events], this.#cursor());
  }

  #jump(from: number, to: number, missing: number, receivedAt: number): InboundEvent {
    const text = `the sequence jumped from ${from} to ${to}: ${missing} events were not delivered`;
    this.#options.log.warn({ event: 'sequence-jump', from, to, missing }, text);
    return aside('gap', text, '', receivedAt);
  }

  /** @returns how many of the missing numbers were RESUMED frames nobody could receive */
  #forgive(missing: number): number {
    const forgiven = Math.min(missing, this.#lostControls);
    this.#lostControls -= forgiven;
    return forgiven;
  }

  #move(session: Session, change: Partial<Session>): void {
    this.#session = { ...session, ...change };
  }

  #cursor(): Cursor {
    return toCursor(this.#mustHaveSession(), this.#options.scope);
  }

  #mustHaveSession(): Session {
    if (this.#session === null) throw new Error('no session');
    return this.#session;
  }
}
