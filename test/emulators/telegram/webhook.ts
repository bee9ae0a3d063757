/**
 * The webhook setting of one bot, as far as it matters to one that polls: who set it, and that getUpdates is refused
 * while it stands. Nothing is ever delivered to the URL.
 */
import type { WebhookInfo } from '@grammyjs/types';
import { badRequest, tooManyRequests } from './answers.ts';
import type { CallArguments } from './arguments.ts';

const setAgainAfterMs = 1000;

interface WebhookState {
  readonly url: string;
  readonly maxConnections: number;
  readonly secretToken: string;
}

const none: WebhookState = { url: '', maxConnections: 0, secretToken: '' };

export class Webhook {
  #state = none;
  #nextSetAt = 0;

  get isActive(): boolean {
    return this.#state.url !== '';
  }

  /**
   * setWebhook and deleteWebhook (Client.cpp, process_set_webhook_query).
   * @returns what the platform says of it
   * @throws ApiRefusal 400 for a bad URL or secret, 429 for a second one within a second
   */
  set(args: CallArguments, method: 'setwebhook' | 'deletewebhook'): { readonly description: string } {
    const url = method === 'setwebhook' ? args.text('url') : '';
    if (url !== '') this.#checkPace();
    const wanted = url === '' ? none : stateOf(url, args);
    const isSame =
      wanted.url === this.#state.url &&
      wanted.maxConnections === this.#state.maxConnections &&
      wanted.secretToken === this.#state.secretToken;
    if (isSame && !args.flag('drop_pending_updates'))
      return { description: url === '' ? 'Webhook is already deleted' : 'Webhook is already set' };
    const wasActive = this.isActive;
    this.#state = wanted;
    if (url !== '') return { description: 'Webhook was set' };
    return { description: wasActive ? 'Webhook was deleted' : 'Webhook is already deleted' };
  }

  info(pending: number, allowed: WebhookInfo['allowed_updates']): WebhookInfo {
    const { url, maxConnections } = this.#state;
    return {
      url,
      has_custom_certificate: false,
      pending_update_count: pending,
      ...(maxConnections > 0 ? { max_connections: maxConnections, ip_address: '<unknown>' } : {}),
      ...(allowed === undefined ? {} : { allowed_updates: allowed }),
    };
  }

  #checkPace(): void {
    const now = performance.now();
    if (now < this.#nextSetAt) throw tooManyRequests(1);
    this.#nextSetAt = now + setAgainAfterMs;
  }
}

function stateOf(url: string, args: CallArguments): WebhookState {
  const secretToken = args.text('secret_token');
  if (!URL.canParse(url) || !/^https?:/i.test(url)) throw badRequest('invalid webhook URL specified');
  if (secretToken.length > 256) throw badRequest('secret token is too long');
  if (!/^[\w-]*$/.test(secretToken)) throw badRequest('secret token contains unallowed characters');
  return { url, maxConnections: args.integer('max_connections', 40, 1, 100), secretToken };
}
