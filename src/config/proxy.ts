/** The key `proxy`, the same for every platform. It may hold a password, so it is a secret: it never goes to Redis. */
import { z } from 'zod';
import { readProxy } from '../http/proxy/proxy-url.ts';
import { LEFT_OUT } from './left-out.ts';

/** Not set: the environment decides (HTTPS_PROXY and so on). */
export const proxyField = z
  .string({ error: 'must be text, for example http://10.0.0.1:3128, or direct' })
  .check((context) => {
    const read = readProxy(context.value);
    if (context.value === LEFT_OUT || read.kind !== 'unreadable') return;
    context.issues.push({ code: 'custom', input: undefined, message: read.problem });
  })
  .optional()
  .describe('Proxy for HTTP and WebSocket: its URL, or direct. Left out: HTTPS_PROXY and so on decide.');
