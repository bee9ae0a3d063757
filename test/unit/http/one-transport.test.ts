/**
 * All that goes out goes through src/http, where its bounds are: nothing else of the program opens a way out. Globals such
 * as `fetch` are Biome's (biome.jsonc), here are imports. Redis has its own clients, and a socket on this machine.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const src = fileURLToPath(new URL('../../../src/', import.meta.url));
const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.tsx?$/.test(file))
  // The first belongs to it; the second runs in browsers and asks our own server.
  .filter((file) => !file.startsWith('http/') && !file.startsWith('web/page/'));

/** Packages and modules that open sockets, and what may be imported of them wherever it is wanted. */
const WAYS_OUT: Readonly<Record<string, readonly string[]>> = {
  undici: [],
  ws: [],
  socks: [],
  openai: [],
  http: ['createServer', 'STATUS_CODES'],
  https: ['createServer'],
  http2: [],
  tls: [],
  dgram: [],
  net: ['createServer', 'isIP', 'isIPv4', 'isIPv6', 'BlockList', 'setDefaultAutoSelectFamilyAttemptTimeout'],
};
const EXCEPTIONS: Readonly<Record<string, readonly string[]>> = {
  // PING to the socket of the embedded Redis.
  'state/redis-probe.ts': ['createConnection'],
  // PING to a Redis that cuts its clients.
  'state/redis-way.ts': ['connect'],
  // With our own fetch: see below.
  'agents/openai.ts': ['OpenAI', 'APIConnectionError', 'APIError', 'APIUserAbortError'],
};

/** Of each import that leaves something behind when types are taken away: `name of module`. */
function importsOf(source: string): (readonly [name: string, module: string])[] {
  const named = [...source.matchAll(/\bimport\s+(?!type\b)([^;'"(]*?)\s*from\s*['"]([^'"]+)['"]/g)];
  const whole = [...source.matchAll(/\b(?:import|require)\s*\(?\s*['"]([^'"]+)['"]/g)];
  const namesIn = (what: string) =>
    what
      .split(/[{},]/)
      .map((name) => name.trim())
      .filter((name) => name !== '' && !name.startsWith('type '))
      .map((name) => name.split(/\s+as\s+/)[0] ?? '');
  return [
    ...named.flatMap(([, what = '', module = '']) => namesIn(what).map((name) => [name, module] as const)),
    ...whole.map(([, module = '']) => ['*', module] as const),
  ].map(([name, module]) => [name, module.replace(/^node:/, '')] as const);
}

function forbidden(file: string, source: string): string[] {
  return importsOf(source)
    .filter(([name, module]) => {
      const allowed = WAYS_OUT[module.split('/')[0] ?? ''];
      return allowed !== undefined && ![...allowed, ...(EXCEPTIONS[file] ?? [])].includes(name);
    })
    .map(([name, module]) => `${file}: ${name} of ${module}`);
}

describe('the program', () => {
  it('imports nothing that opens a way out but in src/http (H3)', () => {
    expect(files.length).toBeGreaterThan(200);
    expect(files.flatMap((file) => forbidden(file, readFileSync(src + file, 'utf8')))).toEqual([]);
  });

  it.each([
    ["import { request } from 'undici';", 'request of undici'],
    ["import { get as fetchIt } from 'node:https';", 'get of https'],
    ["import * as net from 'net';", '* of net'],
    ["import { createServer, request, type Server } from 'node:http';", 'request of http'],
    ["const ws = await import('ws');", '* of ws'],
    ["import 'undici/lib/global.js';", '* of undici/lib/global.js'],
    ["import OpenAI from 'openai';", 'OpenAI of openai'],
    ["import { Stream } from 'openai/core/streaming';", 'Stream of openai/core/streaming'],
  ])('would be caught at %s', (source, found) => {
    expect(forbidden('workers/x.ts', source)).toEqual([`workers/x.ts: ${found}`]);
  });

  it('gives the openai package a fetch of ours, where it makes the one client of it', () => {
    const [, options, ...more] = readFileSync(`${src}agents/openai.ts`, 'utf8').split('new OpenAI(');
    expect(options).toMatch(/^\{[\s\S]*?\bfetch: createFetch\(/);
    expect(more).toEqual([]);
  });
});
