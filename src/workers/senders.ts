/** One sender per connection and process, made anew when the connection's options or credentials change. */
import type { Adapter, Secrets, Sender } from '../adapters/adapter.ts';
import type { Clock } from '../async/clock.ts';
import { explain } from '../errors.ts';
import type { OwnedTransport } from '../http/transport.ts';
import type { Logger } from '../log.ts';
import type { ConnectionId, OutboundPart } from '../model.ts';
import type { DesiredConnection } from '../state/desired.ts';
import type { Credentials } from './credentials.ts';

export interface SendersOptions {
  /** By platform. */
  readonly adapters: ReadonlyMap<string, Adapter>;
  credentialsOf(connection: DesiredConnection): Credentials;
  /** By the route that the connection's secrets and the environment name. */
  openTransport(secrets: Secrets): OwnedTransport;
  readonly clock: Clock;
  readonly log: Logger;
}

export type SenderAnswer =
  | { readonly kind: 'ready'; readonly sender: Sender; repeatable(part: OutboundPart): boolean }
  /** This process can't send for the connection; `reason` in words. */
  | { readonly kind: 'none'; readonly reason: string };

type Kept = { readonly fingerprint: string; readonly version: string; readonly answer: SenderAnswer };

/** @returns a function that never throws */
export function createSenders(options: SendersOptions): (connection: DesiredConnection) => SenderAnswer {
  const kept = new Map<ConnectionId, Kept>();
  return (connection) => {
    const { id, fingerprint } = connection;
    const credentials = options.credentialsOf(connection);
    if (credentials.kind === 'unknown') return { kind: 'none', reason: credentials.reason };
    const { version, secrets } = credentials;
    const known = kept.get(id);
    if (known?.fingerprint === fingerprint && known.version === version) return known.answer;
    const answer = openSender(options, credentials.connection, secrets);
    // What is missing here may be there the next time. Sends of the sender before may still be out, so its transport is
    // left alone: idle sockets close by themselves.
    if (answer.kind === 'ready') kept.set(id, { fingerprint, version, answer });
    return answer;
  };
}

function openSender(options: SendersOptions, connection: DesiredConnection, secrets: Secrets): SenderAnswer {
  const adapter = options.adapters.get(connection.platform);
  if (adapter === undefined) return { kind: 'none', reason: `no adapter for platform "${connection.platform}"` };
  const log = options.log.child({ connection: connection.id });
  try {
    const sender = adapter.createSender({
      connectionId: connection.id,
      options: connection.options,
      secrets,
      transport: options.openTransport(secrets),
      clock: options.clock,
      log,
    });
    const repeatable = (part: OutboundPart) => sender.repeatable?.(part) ?? repeatableByDefault(adapter, part);
    return { kind: 'ready', sender, repeatable };
  } catch (error) {
    log.error({ event: 'sender-failed', err: error }, 'no sender could be made for the connection');
    return { kind: 'none', reason: explain(error) };
  }
}

function repeatableByDefault(adapter: Adapter, part: OutboundPart): boolean {
  const { sendIdempotency } = adapter.capabilities;
  return sendIdempotency === 'key' || (sendIdempotency === 'key-on-replies' && part.mode === 'passive');
}
