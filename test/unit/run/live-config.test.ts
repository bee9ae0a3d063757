/** The configuration of a running process follows its files, whichever way they are replaced, and refuses bad ones whole. */
import { mkdirSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/config.ts';
import type { ConfigChange } from '../../../src/run/config-changes.ts';
import { LiveConfig } from '../../../src/run/live-config.ts';
import { folderWith } from '../config/load.ts';

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

const within = { timeout: 8_000, interval: 20 };
const connection = (id: string) => `  - { id: ${id}, platform: qq, appId: "102000000", clientSecretFile: secret }\n`;
const yaml = (...ids: string[]) => `connections:\n${ids.map(connection).join('')}`;

function start(folder: string, { quiet = false } = {}) {
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => lines.push(JSON.parse(line)) });
  const live = new LiveConfig({ initial: loadConfig({ file: join(folder, 'holdfast.yaml') }), quiet, log });
  const ended = new AbortController();
  const watching = live.watch(ended.signal);
  const changes: ConfigChange[] = [];
  live.onChange((change) => void changes.push(change));
  stops.push(async () => {
    ended.abort();
    await watching;
  });
  const ids = () => live.current.connections.map(({ id }) => id);
  const events = () => lines.map(({ event }) => event);
  return { live, lines, events, ids, changes };
}

describe('the first look', () => {
  /** @param ageMs - of the files, when the process began to read them */
  function looking(file: string, ageMs: number) {
    let loads = 0;
    const load = () => {
      loads += 1;
      return loadConfig({ file });
    };
    const readSince = Date.now() + ageMs;
    const log = pino({ level: 'silent' });
    const live = new LiveConfig({ initial: loadConfig({ file }), quiet: false, log, load, readSince });
    return { live, loads: () => loads };
  }

  it('reads nothing twice that had long stood there when the process began, and notices what changes later', async () => {
    const folder = folderWith({ 'holdfast.yaml': yaml('a'), secret: 'first-secret' });
    const { live, loads } = looking(join(folder, 'holdfast.yaml'), 10_000);
    await live.look();
    expect(loads()).toBe(0);
    writeFileSync(join(folder, 'secret'), 'second-secret');
    await live.look();
    expect(loads()).toBe(1);
  });

  it('reads what may have changed since: files that are young, or stand behind a link', async () => {
    const folder = folderWith({ 'holdfast.yaml': yaml('a'), secret: 'first-secret' });
    const young = looking(join(folder, 'holdfast.yaml'), 0);
    await young.live.look();
    expect(young.loads()).toBe(1);
    symlinkSync(folder, `${folder}-link`);
    const linked = looking(join(`${folder}-link`, 'holdfast.yaml'), 10_000);
    await linked.live.look();
    unlinkSync(`${folder}-link`);
    expect(linked.loads()).toBe(1);
  });
});

describe('a watched configuration', () => {
  it('is taken over when the file is written in place', async () => {
    const folder = folderWith({ 'holdfast.yaml': yaml('a'), secret: 'first-secret' });
    const { ids, changes } = start(folder);
    writeFileSync(join(folder, 'holdfast.yaml'), yaml('a', 'b'));
    await expect.poll(ids, within).toEqual(['a', 'b']);
    expect(changes).toEqual([{ added: ['b'], changed: [], removed: [], groups: [] }]);
  });

  it('is taken over when another file is renamed into its place, again and again', async () => {
    const folder = folderWith({ 'holdfast.yaml': yaml('a'), secret: 'first-secret' });
    const { ids } = start(folder);
    for (const wanted of [['b'], ['b', 'c']]) {
      writeFileSync(join(folder, '.holdfast.yaml.swp'), yaml(...wanted));
      renameSync(join(folder, '.holdfast.yaml.swp'), join(folder, 'holdfast.yaml'));
      await expect.poll(ids, within).toEqual(wanted);
    }
  });

  it('is taken over when a link on its way is turned, as Kubernetes does', async () => {
    const folder = folderWith({});
    const version = (name: string, text: string) => {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, 'holdfast.yaml'), text);
      writeFileSync(join(folder, name, 'secret'), `secret-of-${name}`);
    };
    version('..one', yaml('a'));
    symlinkSync('..one', join(folder, '..data'));
    for (const name of ['holdfast.yaml', 'secret']) symlinkSync(join('..data', name), join(folder, name));
    const { ids, live } = start(folder);
    const before = live.current.connections[0]?.fingerprint;
    version('..two', yaml('a', 'b'));
    symlinkSync('..two', join(folder, '..new'));
    renameSync(join(folder, '..new'), join(folder, '..data'));
    await expect.poll(ids, within).toEqual(['a', 'b']);
    expect(live.current.connections[0]?.fingerprint).not.toBe(before);
  });

  it('changes with a file that holds a secret', async () => {
    const folder = folderWith({ 'holdfast.yaml': yaml('a'), secret: 'first-secret' });
    const { live, changes } = start(folder);
    writeFileSync(join(folder, 'secret'), 'second-secret\n');
    await expect.poll(() => live.current.connections[0]?.secrets.clientSecret, within).toBe('second-secret');
    expect(changes).toEqual([{ added: [], changed: ['a'], removed: [], groups: [] }]);
  });

  it('is refused as a whole with words, told once, and taken over when it is right', async () => {
    const folder = folderWith({ 'holdfast.yaml': yaml('a'), secret: 'first-secret' });
    const { live, ids, lines, changes } = start(folder);
    writeFileSync(
      join(folder, 'holdfast.yaml'),
      `${yaml('a', 'b')}  - { id: c, platform: qq, clientSecret: hush-hush }\n`,
    );
    await expect.poll(() => live.standing.refused, within).toMatch(/connections\[2\] \(c\)\.appId: is missing/);
    await live.look();
    await live.look();
    expect(ids()).toEqual(['a']);
    expect(changes).toEqual([]);
    const told = lines.filter(({ event }) => event === 'config.refused');
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject({ level: 50, problems: [expect.stringMatching(/appId/)] });
    expect(JSON.stringify(lines)).not.toContain('hush-hush');
    writeFileSync(join(folder, 'holdfast.yaml'), yaml('a', 'b'));
    await expect.poll(ids, within).toEqual(['a', 'b']);
    expect(live.standing.refused).toBeNull();
  });

  it('comes back by itself when what a refused one lacked is there', async () => {
    const folder = folderWith({ 'holdfast.yaml': yaml('a'), secret: 'first-secret' });
    const { live, ids } = start(folder);
    writeFileSync(join(folder, 'holdfast.yaml'), `${yaml('a')}${connection('b').replace('secret }', 'other }')}`);
    await expect.poll(() => live.standing.refused, within).toMatch(/other, which cannot be read \(ENOENT\)/);
    writeFileSync(join(folder, 'other'), 'other-secret');
    await live.look();
    expect(ids()).toEqual(['a', 'b']);
  });

  it('is not taken for "no connections" when the file is empty or gone for a moment', async () => {
    const folder = folderWith({ 'holdfast.yaml': yaml('a'), secret: 'first-secret' });
    const { live, ids } = start(folder);
    writeFileSync(join(folder, 'holdfast.yaml'), '\n');
    await live.look();
    expect(live.standing.refused).toMatch(/is empty/);
    unlinkSync(join(folder, 'holdfast.yaml'));
    await live.look();
    expect(live.standing.refused).toMatch(/cannot be read \(ENOENT\)/);
    expect(ids()).toEqual(['a']);
    writeFileSync(join(folder, 'holdfast.yaml'), 'connections: []\n');
    await live.look();
    expect(ids()).toEqual([]);
  });

  it('says which keys need a restart, once, and no more when they are as they were', async () => {
    const folder = folderWith({ 'holdfast.yaml': yaml('a'), secret: 'first-secret' });
    const { live, lines, ids } = start(folder);
    writeFileSync(join(folder, 'holdfast.yaml'), `timings: { sweepEveryMs: 900 }\n${yaml('a', 'b')}`);
    await live.look();
    expect(ids()).toEqual(['a', 'b']);
    expect(live.current.timings.sweepEveryMs).toBe(1_000);
    expect(live.standing).toEqual({ refused: null, restartNeeded: ['timings.sweepEveryMs'] });
    writeFileSync(join(folder, 'holdfast.yaml'), `timings: { sweepEveryMs: 900 }\n${yaml('a')}`);
    await live.look();
    expect(lines.filter(({ event }) => event === 'config.restart-needed')).toHaveLength(1);
    writeFileSync(join(folder, 'holdfast.yaml'), yaml('a'));
    await live.look();
    expect(live.standing.restartNeeded).toEqual([]);
  });

  it('answers who asks, also when nothing changed', async () => {
    const folder = folderWith({ 'holdfast.yaml': yaml('a'), secret: 'first-secret' });
    const { live, events, changes } = start(folder);
    const asked: string[] = [];
    live.onAsk(() => void asked.push('child'));
    await live.look();
    expect(events()).toEqual([]);
    await live.ask();
    expect(events()).toEqual(['config.unchanged']);
    expect(asked).toEqual(['child']);
    expect(changes.every(({ added, changed }) => added.length + changed.length === 0)).toBe(true);
  });
});
