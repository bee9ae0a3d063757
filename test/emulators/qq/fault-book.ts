/** The faults that can stand at each point of the QQ platform. */
import { type FaultOrder, FaultOrders, type OrderTimes } from '../fault-orders.ts';
import type { Journal } from './journal.ts';
import type { Scene } from './protocol.ts';

/** How a socket treats its client from some moment on. */
export type Conduct =
  /** everything works */
  | 'normal'
  /** TCP is healthy, but neither ACKs nor events come */
  | 'no-acks'
  /** ACKs come, events are withheld (and logged for Resume) */
  | 'acks-only'
  /** half-open: nothing is read or written any more, and neither FIN nor RST will ever be sent */
  | 'frozen';

export type HttpFault =
  | { readonly name: 'json'; readonly status: number; readonly body: object }
  | { readonly name: 'html'; readonly status: number }
  | { readonly name: 'empty'; readonly status: number }
  | { readonly name: 'drip'; readonly status: number; readonly body: object; readonly overMs: number }
  | { readonly name: 'hang' }
  | { readonly name: 'reset' };

export type TokenFault = HttpFault | { readonly name: 'expires-in'; readonly value: unknown };
export type DialFault =
  | { readonly name: 'black-hole' }
  | { readonly name: 'no-hello' }
  | { readonly name: 'refuse-upgrade'; readonly status: number };

export type AuthFault =
  | { readonly name: 'swallow' }
  | { readonly name: 'close'; readonly code: number; readonly opNineFirst: boolean }
  | {
      readonly name: 'op9';
      readonly resumable: boolean;
      readonly thenClose: { readonly code: number; readonly afterMs: number } | null;
    };

export type ResumeFault =
  | AuthFault
  | { readonly name: 'stale-session'; readonly code: number }
  | { readonly name: 'then-drop'; readonly how: Drop; readonly afterMs: number; readonly sendResumed: boolean }
  | { readonly name: 'deaf' }
  | { readonly name: 'overlap'; readonly count: number }
  | { readonly name: 'gap'; readonly count: number };

/** Ways a socket ends. `fin` and `rst` send no close frame: the client sees 1006. `code: null` is a close frame without one (1005). */
export type Drop =
  | { readonly how: 'rst' }
  | { readonly how: 'fin' }
  | { readonly how: 'close'; readonly code: number | null; readonly reason?: string };

export type SendFault =
  | {
      readonly name: 'answer';
      readonly answer: HttpFault;
      readonly delivered: boolean;
      readonly consumesSeq: boolean;
      readonly headers?: Record<string, string>;
    }
  | { readonly name: 'phantom' }
  | { readonly name: 'audit'; readonly outcome: 'pass' | 'reject' | 'never'; readonly afterMs: number }
  | { readonly name: 'drip'; readonly overMs: number };

/** Which order type stands at which point. */
export interface FaultPoints {
  token: TokenFault;
  /** Every OpenAPI call, before its token is looked at. */
  api: HttpFault;
  dial: DialFault;
  identify: AuthFault;
  resume: ResumeFault;
  /** The conduct of a socket from its authentication on. */
  conduct: { readonly name: Conduct };
  /** Each event pushed. */
  push: { readonly name: 'duplicate'; readonly copies: number; readonly seq: 'new' | 'same' };
  send: SendFault;
}

/** What is known where a fault could strike; orders may ask for particular values. */
export interface Occasion {
  readonly appId?: string | undefined;
  readonly path?: string | undefined;
  readonly scene?: Scene | undefined;
  readonly chatId?: string | undefined;
}

export interface OrderOptions extends OrderTimes {
  /** Only this bot. A dial cannot be told apart by bot: use the others for that. */
  readonly appId?: string;
}

export type { FaultOrder };

export class FaultBook extends FaultOrders<FaultPoints, Occasion> {
  constructor(journal: Journal) {
    super((note) => journal.append({ kind: 'fault', ...note }));
  }

  override order<P extends keyof FaultPoints>(
    point: P,
    fault: FaultPoints[P],
    options: OrderOptions = {},
    fits: (occasion: Occasion) => boolean = () => true,
  ): FaultOrder {
    const { appId } = options;
    return super.order(
      point,
      fault,
      options,
      (occasion) => (appId === undefined || occasion.appId === appId) && fits(occasion),
    );
  }
}
