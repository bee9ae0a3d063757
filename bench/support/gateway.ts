/** The gateway in its own process, as rows see it. */
import { makeTestCa, type TestCa } from '../../test/support/test-ca.ts';
import type { GatewayOrders } from '../gateway/orders.ts';
import type { Bench } from '../row.ts';
import { Child } from './child.ts';

type Everything = GatewayOrders & { address: { ask: object; answer: { port: number } } };

/** As QQ's own gateway says. */
const HEARTBEAT_EVERY_MS = 41_250;

export interface GatewayAddresses {
  readonly apiBaseUrl: string;
  readonly tokenUrl: string;
  readonly gatewayUrl: string;
  /** For processes that shall trust its certificate. */
  readonly env: Readonly<Record<string, string>>;
}

export interface BenchGateway extends GatewayAddresses, AsyncDisposable {
  readonly pid: number;
  ask<K extends keyof GatewayOrders>(name: K, ask: GatewayOrders[K]['ask']): Promise<GatewayOrders[K]['answer']>;
}

export async function startGateway(
  bench: Bench,
  { secure = false, heartbeatEveryMs = HEARTBEAT_EVERY_MS } = {},
): Promise<BenchGateway> {
  const ca: TestCa | null = secure ? await makeTestCa() : null;
  const settings = { tls: ca === null ? null : ca.server, heartbeatEveryMs };
  const child = new Child<Everything>(bench.program('gateway'), settings);
  const { port } = await child.ask('address', {});
  const s = secure ? 's' : '';
  const apiBaseUrl = `http${s}://127.0.0.1:${port}`;
  return {
    pid: child.pid,
    apiBaseUrl,
    tokenUrl: `${apiBaseUrl}/app/getAppAccessToken`,
    gatewayUrl: `ws${s}://127.0.0.1:${port}/websocket/`,
    env: ca === null ? {} : { NODE_EXTRA_CA_CERTS: ca.caFile },
    ask: (name, ask) => child.ask(name, ask),
    async [Symbol.asyncDispose]() {
      await child.kill();
      await ca?.[Symbol.asyncDispose]();
    },
  };
}
