/**
 * The session of a browser: a signed cookie that says until when it is good. Nothing is kept here, so that every process
 * with the same token knows it, and another token ends them all.
 */
import { createHmac } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';

const COOKIE = 'holdfast_session';
const SESSION_MS = 12 * 3_600_000;

/** The key for signing cookies; tells nothing of the token. */
export function sessionKey(adminToken: string): string {
  return createHmac('sha256', adminToken).update('holdfast: session cookies').digest('hex');
}

export function beginSession(request: FastifyRequest, reply: FastifyReply): void {
  reply.setCookie(COOKIE, String(Date.now() + SESSION_MS), { ...attributes(request), maxAge: SESSION_MS / 1_000 });
}

export function endSession(request: FastifyRequest, reply: FastifyReply): void {
  reply.clearCookie(COOKIE, attributes(request));
}

export function hasSession(request: FastifyRequest): boolean {
  const cookie = request.cookies[COOKIE];
  if (cookie === undefined) return false;
  const { valid, value } = request.unsignCookie(cookie);
  return valid && Number(value) > Date.now();
}

function attributes(request: FastifyRequest) {
  // A proxy in front may speak TLS for us. Whoever lies about it only spoils a cookie of their own.
  const secure = request.headers['x-forwarded-proto'] === 'https';
  return { signed: true, httpOnly: true, sameSite: 'strict', path: '/', secure } as const;
}
