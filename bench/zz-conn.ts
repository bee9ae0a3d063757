import { execSync } from 'node:child_process';
import { startRedis } from '../test/support/redis.ts';
import { startGateway } from './support/gateway.ts';
import { Holdfast } from './support/holdfast.ts';
import { cpuMicros, residentKib } from './support/proc.ts';
import { buildPrograms } from './support/programs.ts';
const program = await buildPrograms();
const bench = { brief: false, program, say: console.error } as any;
const size = Number(process.env.SIZE ?? 1000);
const redis = await startRedis({ appendfsync: 'everysec' });
const gateway = await startGateway(bench, process.env.SECURE ? { secure: true } : {});
const holdfast = await Holdfast.install({ redis, gateway, connections: size });
const prof = process.env.PROF; delete process.env.PROF;
const sched = await holdfast.scheduled();
if (!process.env.SCHED) await sched.kill();
if (prof) process.env.PROF = prof;
await holdfast.client.config('RESETSTAT');
const live = gateway.ask('untilLive', { count: size });
const rc = cpuMicros(redis.pid), gc = cpuMicros(gateway.pid);
const worker = holdfast.start('worker', '--roles', 'connections', '--capacity', String(size));
let pf: any; if (process.env.PERFSTART) { const { spawn } = await import("node:child_process"); await new Promise((r) => setTimeout(r, 300)); pf = spawn("perf", ["record", "-F", "3000", "-g", "-o", "/tmp/prof/start.data", "-p", String(worker.pid)], { stdio: "ignore" }); }
const { at } = await live; if (pf) { pf.kill("SIGINT"); await new Promise((r) => pf.once("exit", r)); }
console.log('live after', Math.round(at - worker.startedAt), 'worker cpu ms', cpuMicros(worker.pid) / 1000, 'redis', (cpuMicros(redis.pid) - rc) / 1000, 'gw', (cpuMicros(gateway.pid) - gc) / 1000, 'rss', residentKib(worker.pid) / 1024);
const stats = await holdfast.client.info('commandstats');
console.log(stats.split('\n').map((l) => /cmdstat_([^:]+):calls=(\d+),usec=(\d+)/.exec(l)).filter((m): m is RegExpExecArray => !!m).map((m) => [m[1], +m[2]! / size, +m[3]! / size] as const).filter(([, c]) => c! > 0.05).sort((a, b) => (b[2] as number) - (a[2] as number)).slice(0, 25).map(([n, c, u]) => `${n} ${(c as number).toFixed(2)}x ${(u as number).toFixed(1)}us`).join(', '));
await new Promise((r) => setTimeout(r, 3000));
if (process.env.MEM) { for (let i = 0; i < 3; i++) { process.kill(worker.pid, 'SIGUSR2'); await new Promise((r) => setTimeout(r, 3000)); console.log('rss now', residentKib(worker.pid) / 1024); } }
if (process.env.STRACE) { const { execSync } = await import("node:child_process"); try { execSync(`timeout -s INT 5 strace -f -c -p ${worker.pid} -o /tmp/wt/strace.txt`); } catch {} }
if (process.env.PERF) { const { execSync } = await import("node:child_process"); try { execSync(`perf record -F 4000 -g -o /tmp/prof/idle.data -p ${worker.pid} -- sleep 8`, { stdio: "ignore" }); } catch {} }
const c0 = cpuMicros(worker.pid); await new Promise((r) => setTimeout(r, 8000));
console.log('idle us/s per conn', (cpuMicros(worker.pid) - c0) / 8 / size, 'rss', residentKib(worker.pid) / 1024);
await worker.stop(); await holdfast[Symbol.asyncDispose](); await gateway[Symbol.asyncDispose](); await redis[Symbol.asyncDispose]();
