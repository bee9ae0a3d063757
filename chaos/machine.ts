/** On what the numbers were measured. */
import { availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os';
import type { TestRedis } from '../test/support/redis.ts';

export interface Machine {
  readonly cores: number;
  readonly cpu: string;
  readonly memoryGb: number;
  readonly system: string;
  readonly node: string;
  readonly redis: string;
  /** Mean load of the last five minutes, at the end of the run. */
  readonly load5: number;
}

export async function machine(redis: TestRedis): Promise<Machine> {
  const info = await redis.client().info('server');
  return {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model ?? 'unknown',
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()}`,
    node: process.version,
    redis: /^redis_version:(\S+)/m.exec(info)?.[1] ?? 'unknown',
    load5: Math.round((loadavg()[1] ?? 0) * 10) / 10,
  };
}
