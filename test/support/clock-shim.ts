/**
 * A wall clock that a test may set, for real processes: a small library, preloaded, adds to what the kernel says the
 * milliseconds that stand in a file. The monotonic clock is left alone, as it is when somebody sets the time of a machine.
 *
 * Debian's libfaketime does the same, but not for redis-server: it recurses at its start, under jemalloc.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SOURCE = `
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *step;

static int64_t stepMs(void) {
  if (step == NULL) {
    const char *path = getenv("CLOCK_SHIM");
    int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    void *page = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *step, PROT_READ, MAP_SHARED, file, 0);
    static int64_t none;
    if (file >= 0) close(file);
    step = page == MAP_FAILED ? &none : page;
  }
  return *step;
}

int clock_gettime(clockid_t id, struct timespec *at) {
  int failed = syscall(SYS_clock_gettime, id, at);
  if (failed || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE)) return failed;
  int64_t ns = at->tv_nsec + (stepMs() % 1000) * 1000000;
  at->tv_sec += stepMs() / 1000 + (ns < 0 ? -1 : ns / 1000000000);
  at->tv_nsec = ns < 0 ? ns + 1000000000 : ns % 1000000000;
  return 0;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
  (void)zone;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  at->tv_sec = now.tv_sec;
  at->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *at) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (at != NULL) *at = now.tv_sec;
  return now.tv_sec;
}
`;

/** Why no such clock can be made here; `null`: it can. */
export function withoutClockShim(): string | null {
  if (process.platform !== 'linux') return 'a preloaded library needs Linux';
  try {
    execFileSync('cc', ['--version'], { stdio: 'ignore' });
    return null;
  } catch {
    return 'there is no C compiler (cc)';
  }
}

/** The wall clock of the processes that have its environment. */
export class WallClock implements Disposable {
  readonly #dir = mkdtempSync(join(tmpdir(), 'hf-clock-'));
  readonly #file = join(this.#dir, 'step');
  #stepMs = 0;

  constructor() {
    const [source, library] = [join(this.#dir, 'clock.c'), join(this.#dir, 'clock.so')];
    writeFileSync(source, SOURCE);
    execFileSync('cc', ['-O1', '-shared', '-fPIC', '-o', library, source]);
    this.#write();
  }

  /** For processes that are to live by this clock; started ones pass it on to theirs. */
  get env(): Readonly<Record<string, string>> {
    return { LD_PRELOAD: join(this.#dir, 'clock.so'), CLOCK_SHIM: this.#file };
  }

  /** Ahead of the machine's own, ms. */
  get aheadMs(): number {
    return this.#stepMs;
  }

  /** Sets the clock ahead, or back, at once and for all of them. */
  step(byMs: number): void {
    this.#stepMs += byMs;
    this.#write();
  }

  [Symbol.dispose](): void {
    rmSync(this.#dir, { recursive: true, force: true });
  }

  /** In place: it is mapped into memory where it is. */
  #write(): void {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(this.#stepMs));
    const file = openSync(this.#file, 'a+');
    closeSync(file);
    const place = openSync(this.#file, 'r+');
    writeSync(place, bytes, 0, 8, 0);
    closeSync(place);
  }
}
