/**
 * Loaded before a foreign client (`--import`): sends its calls for the platform's hard-coded hosts to the emulator named
 * in EMULATOR_API. Nothing else of the client is touched; the gateway's address it learns from the emulator itself.
 */
import http from 'node:http';
import https from 'node:https';
import { syncBuiltinESMExports } from 'node:module';

const emulator = new URL(process.env.EMULATOR_API ?? '');
const platformHosts = /^(bots\.qq\.com|(sandbox\.)?api\.sgroup\.qq\.com|api\.bot\.qq\.com)$/;

type Callback = (response: http.IncomingMessage) => void;

function redirected(target: string | URL | https.RequestOptions, ...rest: unknown[]): http.ClientRequest {
  const url = typeof target === 'string' || target instanceof URL ? new URL(target) : undefined;
  const options = (url === undefined ? target : (rest[0] ?? {})) as https.RequestOptions;
  const host = url?.hostname ?? options.hostname ?? options.host ?? '';
  if (!platformHosts.test(host)) throw new Error(`a foreign client called ${host}, which is not the platform`);
  const { agent: _agent, servername: _servername, ...kept } = options;
  const headers = { ...(kept.headers as Record<string, string>), host: emulator.host };
  const path = url === undefined ? (kept.path ?? '/') : `${url.pathname}${url.search}`;
  const callback = rest.find((argument): argument is Callback => typeof argument === 'function');
  return http.request(
    {
      ...kept,
      path,
      headers,
      protocol: 'http:',
      host: emulator.hostname,
      hostname: emulator.hostname,
      port: emulator.port,
    },
    callback,
  );
}

https.request = redirected as typeof https.request;
https.get = ((...call: Parameters<typeof redirected>) => {
  const request = redirected(...call);
  request.end();
  return request;
}) as typeof https.get;
syncBuiltinESMExports();

const plainFetch = globalThis.fetch;
globalThis.fetch = (input, init) => {
  const url = new URL(input instanceof Request ? input.url : String(input));
  if (!platformHosts.test(url.hostname)) return plainFetch(input, init);
  const target = new URL(`${url.pathname}${url.search}`, emulator);
  return plainFetch(input instanceof Request ? new Request(target, input) : target, init);
};
