/**
 * What Redis, or the way to it, has against us: told apart here and nowhere else, in words that name the rule that is
 * missing and the fix. What only a person can change ends a process that starts; what passes by itself is waited for.
 */
import { FatalError, type GatewayError, TransientError } from '../errors.ts';
import { aclLine, type RedisUser } from './redis-rights.ts';

export interface RedisTrouble {
  readonly kind: TroubleKind;
  /** `person`: waiting does not help. */
  readonly needs: 'person' | 'time';
  /** What is wrong, in one line. */
  readonly words: string;
  /** What to do about it. */
  readonly fix: string;
}

export type TroubleKind =
  | 'rights'
  | 'no-password'
  | 'wrong-password'
  | 'certificate'
  | 'speaks-tls'
  | 'speaks-plain'
  | 'database'
  | 'cluster'
  | 'replica'
  | 'disk'
  | 'loading'
  | 'memory'
  | 'too-many-clients'
  | 'away';

interface Rule {
  readonly kind: TroubleKind;
  readonly needs: RedisTrouble['needs'];
  /** Over message and code of the error and of its causes. */
  readonly sign: RegExp;
  words(user: RedisUser, sign: RegExpExecArray): string;
  fix(user: RedisUser): string;
}

/**
 * The first that fits decides. Replies of Redis: redis/redis, src/server.c and src/acl.c of 7.0 to 8.0, read 2026-11-30;
 * codes of TLS: nodejs.org/api/tls.html#x509-certificate-error-codes, read 2026-11-30.
 */
const RULES: readonly Rule[] = [
  {
    kind: 'rights',
    needs: 'person',
    sign: /NOPERM|(?:can't run this command|can't access at least one of the (?:keys|channels))/,
    words: ({ name }, { input }) => `the Redis user "${name}" lacks ${missingIn(input)}`,
    fix: (user) => `let it: ${aclLine(user)}`,
  },
  {
    kind: 'wrong-password',
    needs: 'person',
    sign: /WRONGPASS|ERR invalid password/,
    words: ({ name }) => `Redis refuses the password of the user "${name}", or does not know the user`,
    fix: () => 'correct user and password in redis.url (or redis.urlFile)',
  },
  {
    kind: 'no-password',
    needs: 'person',
    sign: /NOAUTH|DENIED Redis is running in protected mode/,
    words: () => 'Redis wants a password, and redis.url has none',
    fix: () => 'write user and password into redis.url, or the whole URL into a file named by redis.urlFile',
  },
  {
    kind: 'certificate',
    needs: 'person',
    sign: /CERT_HAS_EXPIRED|certificate has expired/,
    words: () => 'the TLS certificate of Redis has expired',
    fix: () => 'renew it on the server of Redis',
  },
  {
    kind: 'certificate',
    needs: 'person',
    sign: /CERT_NOT_YET_VALID|certificate is not yet valid/,
    words: () => 'the TLS certificate of Redis is not valid yet',
    fix: () => 'set the clock of this host (NTP), or look at the certificate',
  },
  {
    kind: 'certificate',
    needs: 'person',
    sign: /ERR_TLS_CERT_ALTNAME_INVALID/,
    words: () => 'the TLS certificate of Redis is for another name than the host in redis.url',
    fix: () => 'write the name that stands in the certificate into redis.url',
  },
  {
    kind: 'certificate',
    needs: 'person',
    sign: /SELF_SIGNED_CERT|UNABLE_TO_(?:VERIFY|GET)|CERT_UNTRUSTED|CERT_SIGNATURE_FAILURE|CERT_REJECTED|INVALID_CA|INVALID_PURPOSE/,
    words: () => 'the TLS certificate of Redis is signed by nobody whom this host trusts',
    fix: () => 'name the file with its authority (CA) in NODE_EXTRA_CA_CERTS and start again',
  },
  {
    kind: 'certificate',
    needs: 'person',
    sign: /ERR_SSL_TLSV1[23]?_ALERT_(?:CERTIFICATE_REQUIRED|UNKNOWN_CA)|CERTIFICATE_REQUIRED|peer did not return a certificate/i,
    words: () => 'Redis wants a certificate of the client',
    fix: () => 'set "tls-auth-clients no" on the server of Redis: Holdfast shows none',
  },
  {
    kind: 'speaks-plain',
    needs: 'person',
    sign: /answers without TLS|WRONG_VERSION_NUMBER|wrong version number|packet length too long/i,
    words: () => 'this port of Redis speaks no TLS, and redis.url begins with rediss://',
    fix: () => 'write redis://, or the port that speaks TLS (tls-port in redis.conf)',
  },
  {
    kind: 'speaks-tls',
    needs: 'person',
    sign: /answers a TLS handshake/,
    words: () => 'this port of Redis speaks TLS, and redis.url begins with redis://',
    fix: () => 'write rediss://, or the port without TLS',
  },
  {
    kind: 'database',
    needs: 'person',
    sign: /DB index is out of range|invalid DB index/,
    words: () => 'Redis has no database of the number in redis.url',
    fix: () => 'write a smaller number at the end of redis.url, such as /0, or raise "databases" in redis.conf',
  },
  {
    kind: 'cluster',
    needs: 'person',
    sign: /MOVED \d|ASK \d|CROSSSLOT|CLUSTERDOWN|SELECT is not allowed in cluster mode/,
    words: () => 'this is a Redis Cluster, and Holdfast needs a single Redis (or a master with Sentinels)',
    fix: () => 'name such a one in redis.url; nothing was written to the cluster',
  },
  {
    kind: 'replica',
    needs: 'time',
    sign: /READONLY|MASTERDOWN|UNBLOCKED|NOREPLICAS/,
    words: () => 'this Redis takes no writes: it is a replica, or a failover is under way',
    fix: () => 'if it stays so, name the master in redis.url, or set redis.sentinels',
  },
  {
    kind: 'disk',
    needs: 'time',
    sign: /MISCONF/,
    words: () => 'Redis takes no writes because it cannot write to its disk',
    fix: () => 'look at the disk of Redis (full, read-only, broken) and at its log; it goes on by itself then',
  },
  {
    kind: 'loading',
    needs: 'time',
    sign: /LOADING/,
    words: () => 'Redis is still reading its data',
    fix: () => 'wait; its log says how far it is',
  },
  {
    kind: 'memory',
    needs: 'time',
    sign: /\bOOM\b/,
    words: () => 'Redis has used all of its memory (maxmemory)',
    fix: () => 'raise maxmemory, or see docs/runbook.md, "Redis is full"',
  },
  {
    kind: 'too-many-clients',
    needs: 'time',
    sign: /max number of clients/,
    words: () => 'Redis takes no more clients (maxclients)',
    fix: () => 'raise maxclients in redis.conf, or end other clients of this Redis',
  },
  {
    kind: 'away',
    needs: 'time',
    sign: /E(?:CONN|NOTFOUND|AI_AGAIN|TIMEDOUT|HOST|NET|PIPE|NOENT|ACCES)|timed out|Socket timeout|closed|sentinels are unreachable|no connection|did not answer|Aborted|in time/i,
    words: () => 'Redis does not answer',
    fix: () => 'start Redis, or correct redis.url; "redis-cli -u URL ping" tries it from here',
  },
];

/** @returns `null` for what says nothing about Redis */
export function troubleOf(error: unknown, user: RedisUser): RedisTrouble | null {
  const text = textOf(error);
  for (const { kind, needs, sign, words, fix } of RULES) {
    const found = sign.exec(text);
    if (found !== null) return { kind, needs, words: words(user, found), fix: fix(user) };
  }
  return null;
}

/** The same as an error with a class; whatever is unknown counts as no answer. Those that have a class keep it. */
export function redisError(error: unknown, user: RedisUser): GatewayError {
  const trouble = troubleOf(error, user);
  if (trouble === null || trouble.kind === 'away') {
    return new TransientError('REDIS_UNAVAILABLE', 'Redis does not answer', { cause: error });
  }
  return errorOf(trouble, error);
}

/** Its own words are quoted before the advice, which stays whole. */
function errorOf({ words, fix, needs }: RedisTrouble, error: unknown): GatewayError {
  const [reply = ''] = textOf(error).split('\n');
  const text = `${words} (${reply.slice(0, QUOTED_CHARS)}); ${fix}`;
  return needs === 'person' ? new FatalError('REDIS_REFUSED', text) : new TransientError('REDIS_UNAVAILABLE', text);
}

const QUOTED_CHARS = 120;

/** Of the error and its causes; AggregateErrors come from dials of several addresses. */
function textOf(error: unknown): string {
  const parts: string[] = [];
  const add = (one: unknown, depth: number): void => {
    if (one === null || one === undefined || depth > 4) return;
    if (!(one instanceof Error)) {
      parts.push(String(one).slice(0, 500));
      return;
    }
    const { code, errors } = one as Error & { code?: unknown; errors?: unknown };
    parts.push(one.message.slice(0, 500), String(code ?? ''));
    if (Array.isArray(errors)) for (const each of errors.slice(0, 4)) add(each, depth + 1);
    add(one.cause, depth + 1);
  };
  add(error, 0);
  return parts.join('\n');
}

function missingIn(text: string): string {
  const [, command] = /(?:run the|run) '([a-zA-Z|_-]+)'/.exec(text) ?? [];
  if (command !== undefined) return `+${command.toLowerCase()}`;
  if (/channel/.test(text)) return 'a channel that Holdfast needs';
  return /key/.test(text) ? 'keys that Holdfast needs' : 'a command that Holdfast needs';
}
