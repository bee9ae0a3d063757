/**
 * What can be wrong between this host and the QQ platform. Everything here may run beside a holder: asking for an access
 * token and for the gateway, and opening a socket that says nothing, begin no session.
 */
import { explain, GatewayError } from '../../errors.ts';
import type { DiagnoseContext, Diagnosis } from '../adapter.ts';
import { ok, skipped } from '../diagnosis.ts';
import type { Gateway, QqApi } from './api.ts';
import type { TokenProvider } from './auth.ts';

type Connected = { readonly tokens: Pick<TokenProvider, 'get'>; readonly api: Pick<QqApi, 'gateway'> };

const CALL_MS = 6_000;
/** Fewer sessions than this part of the day's are few. */
const FEW = 0.1;

/** @param connect - may throw where a secret is missing */
export async function diagnoseQq(
  { transport }: DiagnoseContext,
  connect: () => Connected,
  { signal }: { signal: AbortSignal },
): Promise<readonly Diagnosis[]> {
  let connected: Connected;
  try {
    connected = connect();
    await connected.tokens.get({ signal });
  } catch (error) {
    return [tokenFailed(error), skipped('gateway', 'no access token')];
  }
  const token = ok('token', 'the platform gives an access token for appId and clientSecret');
  try {
    const gateway = await connected.api.gateway({ signal, deadlineMs: CALL_MS });
    const greeted = await greeting(transport, gateway, signal);
    return [token, ok('whitelist', 'the platform takes calls from this host'), greeted, sessionsOf(gateway)];
  } catch (error) {
    return [token, gatewayFailed(error)];
  }
}

function tokenFailed(error: unknown): Diagnosis {
  const message = `no access token: ${explain(error)}`;
  const refused = error instanceof GatewayError && error.disposition === 'give-up';
  const fix = refused
    ? 'compare appId and clientSecret with the QQ bot console (development settings); a secret that was reset there is another one'
    : 'look after the network or proxy between this host and tokenUrl; the checks "dns" and "route" say more';
  return { check: 'token', status: 'fail', message, fix };
}

function gatewayFailed(error: unknown): Diagnosis {
  const message = explain(error);
  if (error instanceof GatewayError && error.code === 'HOST_UNFIT') {
    const address = /\b(?:\d{1,3}\.){3}\d{1,3}\b/.exec(message)?.[0];
    const which = address === undefined ? 'the public address of this host' : address;
    const fix = `add ${which} to the IP whitelist in the QQ bot console, or let a worker on a listed host hold it`;
    return { check: 'whitelist', status: 'fail', message, fix };
  }
  const limited = error instanceof GatewayError && error.code === 'RATE_LIMITED';
  const fix = limited
    ? 'wait a minute; the platform answers about two such calls in a short time'
    : 'look at apiBaseUrl, and at the QQ bot console if the platform refuses';
  return { check: 'gateway', status: limited ? 'warn' : 'fail', message, fix };
}

function sessionsOf({ sessions }: Gateway): Diagnosis {
  if (sessions === null) return skipped('sessions', 'the platform does not say how many new sessions are left');
  const { total, remaining, resetAfterMs } = sessions;
  const hours = Math.max(0, resetAfterMs / 3_600_000).toFixed(1);
  const message = `${remaining} of ${total} new sessions (Identify) are left by the platform's count, reset in ${hours} h`;
  if (remaining > total * FEW) return ok('sessions', message);
  const fix = 'find out what opens so many: a second program with this bot, or a process that restarts again and again';
  return { check: 'sessions', status: remaining <= 0 ? 'fail' : 'warn', message, fix };
}

/** The platform speaks first on a new socket; nobody has to identify for that. */
function greeting(transport: DiagnoseContext['transport'], { url }: Gateway, signal: AbortSignal): Promise<Diagnosis> {
  const host = new URL(url).host;
  const fix = 'let WebSockets (wss, the same route as https) through to that host; some proxies allow HTTP only';
  const failed = (message: string): Diagnosis => ({ check: 'gateway', status: 'fail', message, fix });
  return new Promise((resolve) => {
    const end = (finding: Diagnosis) => {
      signal.removeEventListener('abort', onAbort);
      clearTimeout(timer);
      socket.terminate();
      resolve(finding);
    };
    const onAbort = () => end(failed(`the gateway ${host} said nothing in time`));
    const timer = setTimeout(onAbort, CALL_MS);
    signal.addEventListener('abort', onAbort, { once: true });
    const socket = transport.openWebSocket(
      { url, deadlineMs: CALL_MS },
      {
        opened: () => undefined,
        text: () => end(ok('gateway', `the gateway ${host} was named, opens and greets`)),
        binary: () => end(failed(`the gateway ${host} greets with something that is no text`)),
        pong: () => undefined,
        ended: (how) => {
          const why = how.kind === 'not-opened' ? explain(how.error) : `closed with ${how.code} ${how.reason}`.trim();
          end(failed(`the gateway ${host} cannot be reached: ${why}`));
        },
      },
    );
  });
}
