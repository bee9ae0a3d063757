import { setFlagsFromString } from 'node:v8';

/**
 * Has V8 look for garbage whenever its old objects have grown by a fifth. By itself it lets a heap of this size grow to
 * several times what is live, and keeps that: a third of what a worker of 1000 connections took (docs/adr/0019-speed.md).
 * The flag is read at each collection, so it may be set at run time; a V8 that does not know it says so and goes on.
 */
export function spareMemory(): void {
  setFlagsFromString('--heap-growing-percent=20');
}
