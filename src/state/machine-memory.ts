/** How much of this machine, or of what its container may use, the embedded Redis may take. */
import { totalmem } from 'node:os';

const MIB = 1024 * 1024;
const LEAST = 128 * MIB;
const MOST = 4_096 * MIB;

/**
 * A quarter: Redis needs as much again while it rewrites its file, and our own processes some 200 MiB.
 *
 * @param memory - of the machine or container, bytes. @defaultValue what this process sees
 */
export function embeddedMaxBytes(memory = memoryHere()): number {
  return Math.floor(Math.min(MOST, Math.max(LEAST, memory / 4)));
}

function memoryHere(): number {
  // Without a limit it is 0, absent, or larger than any machine.
  const limit = process.constrainedMemory?.() ?? 0;
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}
