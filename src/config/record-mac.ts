/**
 * Who can write to Redis can write the record of a connection. What the record says of where messages and secrets go is
 * never followed, and a MAC tells a record that another process with the same secrets wrote (of a configuration that is
 * changed host by host) from one that somebody tampered with.
 */
import { createHash, createHmac } from 'node:crypto';

export interface RecordContent {
  readonly id: string;
  readonly platform: string;
  readonly lateReply: string;
  readonly options: unknown;
}

/** @param secrets - of the connection. Its proxy is left out: hosts may have one each */
export function recordMac(
  { id, platform, lateReply, options }: RecordContent,
  secrets: Readonly<Record<string, string>>,
) {
  const own = Object.entries(secrets).filter(([name]) => name !== 'proxy');
  const key = createHash('sha256').update(JSON.stringify(own.sort())).digest();
  return createHmac('sha256', key)
    .update(JSON.stringify([id, platform, lateReply, options]))
    .digest('hex')
    .slice(0, 32);
}
