import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { mountedAlone, mountPoints } from '../../../src/files/mounted-alone.ts';

it('reads mount points with blanks in their names, and what is mounted there', () => {
  const points = mountPoints(
    [
      '36 35 98:0 / / rw,noatime master:1 - ext4 /dev/root rw',
      '37 36 98:0 /home/me/my\\040bot/holdfast.yaml /etc/holdfast/holdfast.yaml ro - ext4 /dev/root rw',
      '38 36 98:0 /home/me/old//deleted /run/secrets/a\\134b rw - ext4 /dev/root rw',
      '',
      'nonsense',
    ].join('\n'),
  );
  expect([...points]).toEqual([
    ['/', '/'],
    ['/etc/holdfast/holdfast.yaml', '/home/me/my bot/holdfast.yaml'],
    ['/run/secrets/a\\b', '/home/me/old//deleted'],
  ]);
});

it('finds nothing mounted alone where files lie in folders (G22)', async () => {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'hf-mounts-')));
  try {
    writeFileSync(join(dir, 'holdfast.yaml'), '');
    expect(await mountedAlone([join(dir, 'holdfast.yaml'), join(dir, 'missing')])).toEqual([]);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
