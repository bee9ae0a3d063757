import { describe, expect, it } from 'vitest';
import { FatalError, TransientError } from '../../../src/errors.ts';
import { redisError, troubleOf } from '../../../src/state/redis-trouble.ts';

const user = { name: 'app', prefix: 'hf' };

class ReplyError extends Error {
  override readonly name = 'ReplyError';
}

function coded(code: string, message = 'failed'): Error {
  return Object.assign(new Error(message), { code });
}

describe('what Redis has against us', () => {
  it.each([
    ["NOPERM this user has no permissions to run the 'info' command", 'rights', /lacks \+info$/],
    ["NOPERM User app has no permissions to run the 'client|list' command", 'rights', /lacks \+client\|list$/],
    ['NOPERM this user has no permissions to access one of the keys used as arguments', 'rights', /keys/],
    ['NOPERM No permissions to access a channel', 'rights', /channel/],
    ["ERR The user executing the script can't run this command or subcommand script: 15", 'rights', /command/],
    ['WRONGPASS invalid username-password pair or user is disabled.', 'wrong-password', /password of the user "app"/],
    ['NOAUTH Authentication required.', 'no-password', /wants a password/],
    ['Ready check failed: NOAUTH Authentication required.', 'no-password', /wants a password/],
    ['DENIED Redis is running in protected mode', 'no-password', /password/],
    ['ERR DB index is out of range', 'database', /no database/],
    ['MOVED 15859 10.0.0.1:6379', 'cluster', /Cluster/],
    ['CLUSTERDOWN The cluster is down', 'cluster', /Cluster/],
    ["CROSSSLOT Keys in request don't hash to the same slot", 'cluster', /Cluster/],
    ['READONLY You can’t write against a read only replica.', 'replica', /replica/],
    ['MISCONF Errors writing to the AOF file', 'disk', /disk/],
    ['LOADING Redis is loading the dataset in memory', 'loading', /reading its data/],
    ["OOM command not allowed when used memory > 'maxmemory'.", 'memory', /memory/],
    ['ERR max number of clients reached', 'too-many-clients', /maxclients/],
    ['Command timed out', 'away', /does not answer/],
  ] as const)('is told apart: %s (M7, S3, S4, G26)', (reply, kind, words) => {
    const trouble = troubleOf(new ReplyError(reply), user);
    expect(trouble).toMatchObject({ kind });
    expect(trouble?.words).toMatch(words);
    expect(trouble?.fix).not.toBe('');
  });

  it.each([
    ['SELF_SIGNED_CERT_IN_CHAIN', /nobody whom this host trusts/],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', /nobody whom this host trusts/],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', /nobody whom this host trusts/],
    ['CERT_HAS_EXPIRED', /expired/],
    ['CERT_NOT_YET_VALID', /not valid yet/],
    ['ERR_TLS_CERT_ALTNAME_INVALID', /another name/],
    ['ERR_SSL_WRONG_VERSION_NUMBER', /speaks no TLS/],
    ['ECONNREFUSED', /does not answer/],
  ])('is told apart also by the code of a socket: %s (S4)', (code, words) => {
    expect(troubleOf(coded(code), user)?.words).toMatch(words);
  });

  it('is found behind causes and among the dials of several addresses', () => {
    const behind = new TransientError('REDIS_UNAVAILABLE', 'Redis did not answer "renew"', {
      cause: new ReplyError("NOPERM this user has no permissions to run the 'evalsha' command"),
    });
    expect(troubleOf(behind, user)).toMatchObject({ kind: 'rights', words: expect.stringContaining('+evalsha') });
    const dials = new AggregateError([coded('ECONNREFUSED'), coded('ENETUNREACH')]);
    expect(troubleOf(dials, user)).toMatchObject({ kind: 'away' });
  });

  it('ends a start only where waiting does not help', () => {
    const fatal = ['NOPERM x', 'WRONGPASS x', 'NOAUTH x', 'MOVED 1 a:1', 'ERR DB index is out of range'];
    for (const reply of fatal) expect(redisError(new ReplyError(reply), user)).toBeInstanceOf(FatalError);
    const passing = ['LOADING x', 'MISCONF x', 'READONLY x', 'ERR max number of clients reached', 'something new'];
    for (const reply of passing) expect(redisError(new ReplyError(reply), user)).toBeInstanceOf(TransientError);
  });

  it('names the whole rule to paste where a right is missing (G26)', () => {
    const { fix } = troubleOf(new ReplyError("NOPERM no permissions to run the 'info' command"), user) ?? { fix: '' };
    expect(fix).toContain('ACL SETUSER app on ~hf:* ~{hf:bull}:* &hf:presence:* +@read +@write');
    const other = troubleOf(new ReplyError('NOPERM x'), { name: 'bot', prefix: 'b2' });
    expect(other?.fix).toContain('ACL SETUSER bot on ~b2:* ~{b2:bull}:* &b2:presence:*');
  });
});
