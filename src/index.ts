/**
 * The public surface: what somebody needs who writes an adapter for another platform, or who reads the status document.
 * Everything else may change without notice. How it fits together: docs/writing-an-adapter.md.
 */
export type * from './adapters/adapter.ts';
export { aside } from './adapters/aside.ts';
export { elementsAt, isTooDeep, numberAt } from './adapters/json-scan.ts';
export { splitText } from './adapters/split.ts';
export { untilDrained } from './adapters/until-drained.ts';
export { childController, settledWithin, sleep, withDeadline } from './async/abort.ts';
export type { Clock } from './async/clock.ts';
export { watchForGaps } from './async/clock-gap.ts';
export * from './errors.ts';
export { type HttpAnswer, type HttpClient, HttpFailure, type HttpRequest } from './http/client.ts';
export type { Transport } from './http/transport.ts';
export type { WebSocketEnd, WebSocketHandle, WebSocketListener, WebSocketRequest } from './http/web-socket.ts';
export * from './model.ts';
export type { ConnectionStateName, ConnectionStatus, StatusDocument, WorkerStatus } from './status/document.ts';
