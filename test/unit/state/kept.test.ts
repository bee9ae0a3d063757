import { describe, expect, it } from 'vitest';
import { tooLittleRoom } from '../../../src/state/kept.ts';
import { embeddedMaxBytes } from '../../../src/state/machine-memory.ts';

const GIB = 1024 ** 3;

describe('what connections may keep (M2)', () => {
  it('is compared with the memory there is, in words that name both', () => {
    expect(tooLittleRoom(1, GIB)).toBeNull();
    expect(tooLittleRoom(5, null)).toBeNull();
    expect(tooLittleRoom(20, GIB)).toMatch(
      /^what 20 connections may keep at worst \(\d{4} MiB\) exceeds .*maxmemory \(1024 MiB\)/,
    );
  });
});

describe('the limit of the embedded Redis (M2)', () => {
  it('is a quarter of the memory, within reason', () => {
    expect(embeddedMaxBytes(8 * GIB)).toBe(2 * GIB);
    expect(embeddedMaxBytes(256 * 1024 ** 2)).toBe(128 * 1024 ** 2);
    expect(embeddedMaxBytes(512 * GIB)).toBe(4 * GIB);
    expect(embeddedMaxBytes()).toBeGreaterThanOrEqual(128 * 1024 ** 2);
  });
});
