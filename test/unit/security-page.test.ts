/** SECURITY.md says what is stored where: it knows every family of keys. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { ConnectionId, WorkerId } from '../../src/model.ts';
import { ConnectionKeys, createKeys } from '../../src/state/keys.ts';

const PAGE = readFileSync(new URL('../../SECURITY.md', import.meta.url), 'utf8');

/** Every key that keys.ts can spell, with the placeholders of the page. */
function families(): string[] {
  const made = createKeys('hf');
  const {
    prefix: _,
    webSession,
    loginCode,
    bull,
    connection,
    budget,
    worker,
    presence,
    alerts,
    queue,
    ...plain
  } = made;
  const texts = Object.entries(plain).map(([name, value]) => {
    if (typeof value !== 'string') throw new Error(`keys.${name} is no text: teach this test about it`);
    return value;
  });
  const ofOne = connection('ID' as ConnectionId);
  const names = Object.getOwnPropertyNames(ConnectionKeys.prototype).filter((name) => name !== 'constructor');
  const ofConnection = names.map((name) => {
    const key = ofOne[name as keyof ConnectionKeys] as string | ((part: string) => string);
    return typeof key === 'string' ? key : key('LANE');
  });
  return [
    ...texts,
    ...Object.values(alerts),
    ...ofConnection.map((key) => key.replace(/[0-9a-f]{24}/, 'DIGEST').replace('seen:LANE', 'seen:WINDOW')),
    budget('PLATFORM', 'ACCOUNT', 'NAME'),
    webSession('ID').replace(/[0-9a-f]{24}/, 'DIGEST'),
    loginCode('CODE').replace(/[0-9a-f]{24}/, 'DIGEST'),
    worker('WORKER' as WorkerId),
    presence('WORKER' as WorkerId),
    `${bull}:connections`,
    queue('turns').meta.replace('meta', '…'),
  ];
}

it('names every family of keys in Redis', () => {
  const all = families();
  expect(all).toContain('hf:{ID}:lane:LANE:state');
  expect(all.length).toBeGreaterThan(30);
  // The parts of a bucket stand behind its name.
  const isNamed = (key: string) => PAGE.includes(`\`${key}`) || /:bucket:DIGEST:\w+$/.test(key);
  expect(all.filter((key) => !isNamed(key))).toEqual([]);
});
