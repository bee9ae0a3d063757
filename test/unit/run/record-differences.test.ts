import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { Config, ConnectionConfig } from '../../../src/config.ts';
import { loadConfig } from '../../../src/config.ts';
import { desiredFromConfig } from '../../../src/run/desired-from-config.ts';
import { LiveConfig } from '../../../src/run/live-config.ts';
import { differences } from '../../../src/run/record-differences.ts';
import { RecordWatch } from '../../../src/run/record-watch.ts';
import type { DesiredConnection } from '../../../src/state/desired.ts';
import { folderWith } from '../config/load.ts';

function configured(extra = '', token = '1:aaa'): Config {
  const yaml = `connections:\n  - { id: tg, platform: telegram, token: "${token}"${extra} }\n`;
  return loadConfig({ file: `${folderWith({ 'holdfast.yaml': yaml })}/holdfast.yaml`, env: {} });
}

function recordOf(config: Config): DesiredConnection {
  const [record] = desiredFromConfig(config);
  if (record === undefined) throw new Error('no connection');
  return record;
}

const own = (config: Config) => config.connections[0] as ConnectionConfig;
const mine = configured();
const record = recordOf(mine);

describe('the record of a configured connection (H6)', () => {
  it('is the same on each host with the same configuration, whatever its proxy', () => {
    expect(differences(record, own(mine))).toEqual([]);
    const behindProxy = configured(', proxy: "http://10.0.0.1:3128"');
    expect(differences(recordOf(behindProxy), own(mine))).toEqual([]);
    expect(recordOf(behindProxy).fingerprint).not.toBe(record.fingerprint);
  });

  it('is told apart by key, without its values', () => {
    const other = recordOf(configured(', apiBaseUrl: "https://bots.example.org", pollMs: 9000'));
    expect(differences(other, own(mine))).toEqual(['apiBaseUrl', 'pollMs']);
    expect(differences(recordOf(configured('', '1:bbb')), own(mine))).toEqual(['secret']);
    expect(differences({ ...record, source: 'runtime' }, own(mine))).toEqual(['source']);
    expect(differences({ ...record, platform: 'qq' }, own(mine))).toEqual(['platform']);
  });

  it('may be of a version that knows other options, or no mark', () => {
    const { mac: _, ...unmarked } = record;
    expect(differences(unmarked, own(mine))).toEqual([]);
    const { pollMs: __, ...fewer } = record.options as Record<string, unknown>;
    expect(differences({ ...unmarked, options: fewer as never }, own(mine))).toEqual([]);
    expect(differences({ ...unmarked, options: { ...fewer, apiBaseUrl: 'http://evil' } as never }, own(mine))).toEqual([
      'apiBaseUrl',
    ]);
  });
});

describe('who watches the records (H6)', () => {
  function watch() {
    const lines: Record<string, unknown>[] = [];
    const log = pino({ level: 'debug' }, { write: (line: string) => lines.push(JSON.parse(line)) });
    const live = new LiveConfig({ initial: mine, quiet: false, log, load: () => mine });
    const watching = new RecordWatch(live, log);
    const damaged: string[] = [];
    watching.onDamaged((ids) => damaged.push(...ids));
    const saw = (desired: DesiredConnection | null) => watching.saw([{ id: record.id, desired }]);
    return { saw, damaged, lines };
  }

  it('has a tampered one written anew, once, and says when somebody insists', () => {
    const { saw, damaged, lines } = watch();
    const evil = {
      ...record,
      options: { ...(record.options as object), apiBaseUrl: 'http://evil' },
    } as DesiredConnection;
    saw(record);
    expect(damaged).toEqual([]);
    saw(evil);
    saw(evil);
    expect(damaged).toEqual(['tg']);
    expect(lines).toMatchObject([{ level: 50, event: 'desired-tampered', different: ['apiBaseUrl'] }]);
  });

  it('leaves one alone that a host with the same secrets wrote: a change goes from host to host', () => {
    const { saw, damaged, lines } = watch();
    const elsewhere = recordOf(configured(', pollMs: 9000'));
    for (let n = 0; n < 3; n += 1) saw(elsewhere);
    expect(damaged).toEqual([]);
    expect(lines).toMatchObject([{ level: 40, event: 'desired-differs', different: ['pollMs'] }]);
  });

  it('has an unreadable one written anew when it stays so', () => {
    const { saw, damaged } = watch();
    saw(null);
    expect(damaged).toEqual([]);
    saw(null);
    expect(damaged).toEqual(['tg']);
  });
});
