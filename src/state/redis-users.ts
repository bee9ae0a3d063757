/**
 * Who uses the embedded Redis: every user keeps one connection with a name that tells its process, and Redis's own list
 * of clients is the count. A process that dies leaves the list by itself.
 */
import { Redis } from 'ioredis';
import { sleep } from '../async/abort.ts';
import { TransientError } from '../errors.ts';

const USER_PREFIX = 'holdfast-user:';
/** A command of ours on a loaded server, ms. */
const COMMAND_DEADLINE_MS = 2_000;
const LOOKS = 3;
const LOOK_EVERY_MS = 50;

/** Connects as a user. @throws TransientError when the server closes the connection */
export async function connectUser(path: string): Promise<Redis> {
  const user = new Redis({
    path,
    lazyConnect: true,
    connectionName: `${USER_PREFIX}${process.pid}`,
    connectTimeout: 2_000,
    commandTimeout: COMMAND_DEADLINE_MS,
    // A lost connection is a lost server: `Membership` decides what happens then.
    retryStrategy: () => null,
  });
  // What ends the connection is told by `end`; commands report their own errors.
  user.on('error', () => {});
  try {
    await user.connect();
    // ioredis names the connection without waiting; only an answer makes us count.
    await user.client('SETNAME', `${USER_PREFIX}${process.pid}`);
    return user;
  } catch (cause) {
    user.disconnect();
    throw new TransientError('REDIS_UNAVAILABLE', `the embedded Redis at ${path} closed the connection`, { cause });
  }
}

/** A user that leaves others behind: the end of its connection may reach Redis only after the next one has looked. */
export async function stopCounting(user: Redis): Promise<void> {
  await user.client('SETNAME', '');
}

/** Resolves when the connection is over for good, or when `signal` aborts. */
export function ended(user: Redis, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (user.status !== 'ready' || signal.aborted) {
      resolve();
      return;
    }
    const done = () => {
      user.off('end', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    user.once('end', done);
    signal.addEventListener('abort', done, { once: true });
  });
}

/** A user that was killed just now may still be listed, until Redis reads the end of its connection: so look again. */
export async function hasOtherUsers(user: Redis): Promise<boolean> {
  const ownId = await user.client('ID');
  for (let look = 1; ; look += 1) {
    const ids = idsOfUsers(String(await user.client('LIST')));
    if (ids.every((id) => id === ownId)) return false;
    if (look === LOOKS) return true;
    await sleep(LOOK_EVERY_MS, { signal: new AbortController().signal });
  }
}

function idsOfUsers(list: string): number[] {
  return [...list.matchAll(new RegExp(`^id=(\\d+) .*\\bname=${USER_PREFIX}`, 'gm'))].map(([, id]) => Number(id));
}
