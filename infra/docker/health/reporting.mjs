/**
 * Health check of a container without HTTP (`worker`, `scheduler`): whether a process of this container has lately
 * reported itself in Redis, as `holdfast status` sees it. Exit code 0 it has, 1 it has not or Redis does not answer.
 */
import { spawnSync } from 'node:child_process';
import { hostname } from 'node:os';

const { stdout, stderr } = spawnSync('holdfast', ['status', '--json'], { encoding: 'utf8', timeout: 8_000 });
try {
  const own = JSON.parse(stdout).workers.filter(({ id }) => id.startsWith(`${hostname()}/`));
  console.log(own.length > 0 ? own.map(({ id, roles }) => `${id}: ${roles.join(', ')}`).join('\n') : 'not reporting');
  process.exitCode = own.length > 0 ? 0 : 1;
} catch {
  console.log(`no status: ${stderr}`);
  process.exitCode = 1;
}
