/**
 * What can be wrong between this host and the Bot API. `getMe` and `getWebhookInfo` disturb nobody. A poll does: the
 * platform cuts off whoever was waiting, so one is only made while none of ours can be, and it confirms nothing.
 */
import { explain } from '../../errors.ts';
import type { DiagnoseContext, Diagnosis } from '../adapter.ts';
import { ok, skipped } from '../diagnosis.ts';
import { type Answer, inWords, type TelegramApi } from './api.ts';
import type { TelegramOptions } from './options.ts';
import { me, webhookInfo } from './protocol.ts';

type Connected = { readonly options: TelegramOptions; readonly api: TelegramApi };

const CALL_MS = 6_000;
/** So much waits at the platform only when nobody has taken it for long. */
const MANY_WAITING = 1_000;

/** @param connect - may throw where a secret is missing */
export async function diagnoseTelegram(
  { held }: DiagnoseContext,
  connect: () => Connected,
  { signal }: { signal: AbortSignal },
): Promise<readonly Diagnosis[]> {
  let connected: Connected;
  try {
    connected = connect();
  } catch (error) {
    const fix = 'give this host the token; @BotFather shows it';
    return [{ check: 'token', status: 'fail', message: explain(error), fix }];
  }
  const { api, options } = connected;
  const call = (method: string, params: object = {}) => api.call(method, params, { signal, deadlineMs: CALL_MS });
  const named = await call('getMe');
  const token = tokenFinding(named);
  if (token.status !== 'ok')
    return [token, skipped('webhook', 'no answer to getMe'), skipped('rival', 'no answer to getMe')];
  const asked = await call('getWebhookInfo');
  const webhook = webhookFinding(asked, options);
  if (held)
    return [
      token,
      webhook,
      skipped('rival', 'not probed, as a worker of ours polls or may; it says itself whether a rival does'),
    ];
  if (webhook.status === 'fail') return [token, webhook, skipped('rival', 'with a webhook nobody can poll')];
  return [token, webhook, rivalFinding(await call('getUpdates', { limit: 1, timeout: 0 }))];
}

function tokenFinding(answer: Answer): Diagnosis {
  if (answer.kind === 'ok') {
    const name = me.safeParse(answer.result).data?.username;
    return ok('token', `the platform knows the token${name === undefined ? '' : ` (bot @${name})`}`);
  }
  const refused = answer.kind === 'refused' && (answer.class === 'credential' || answer.class === 'misdirected');
  const fix = refused
    ? 'put in the token that @BotFather shows now (/mybots, API Token); one that was revoked never comes back'
    : 'look after the network or proxy between this host and apiBaseUrl; the checks "dns" and "route" say more';
  return { check: 'token', status: 'fail', message: inWords(answer), fix };
}

function webhookFinding(answer: Answer, { deleteWebhook }: TelegramOptions): Diagnosis {
  if (answer.kind !== 'ok') return { check: 'webhook', status: 'warn', message: inWords(answer), fix: 'try again' };
  const { url, pending_update_count: waiting } = webhookInfo.parse(answer.result);
  if (url !== '') {
    // Its path may hold a secret of somebody's.
    const host = URL.canParse(url) ? new URL(url).host : 'an unreadable address';
    const message = `a webhook is set (${host}), which excludes polling`;
    if (deleteWebhook) return { check: 'webhook', status: 'warn', message, fix: 'nothing: deleteWebhook removes it' };
    const fix = 'find out who set it; then call deleteWebhook, or set deleteWebhook: true for the connection';
    return { check: 'webhook', status: 'fail', message, fix };
  }
  if (waiting < MANY_WAITING) return ok('webhook', `no webhook is set; ${waiting} updates wait at the platform`);
  const message = `no webhook is set, and ${waiting} updates wait at the platform`;
  return { check: 'webhook', status: 'warn', message, fix: 'let the connection run; what is older than 24 h is lost' };
}

function rivalFinding(answer: Answer): Diagnosis {
  if (answer.kind === 'ok') return ok('rival', 'one poll was not refused: no rival polled at that moment');
  const rival = answer.kind === 'refused' && answer.class === 'rival';
  const fix = rival
    ? 'stop the other program that uses this token, or revoke the token with @BotFather'
    : 'try again; if it stays, the reason says what to look after';
  return { check: 'rival', status: rival ? 'fail' : 'warn', message: inWords(answer), fix };
}
