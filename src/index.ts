/**
 * The public surface: what somebody needs who writes an adapter for another platform, or who reads the status document.
 * Everything else may change without notice.
 */
export type * from './adapters/adapter.ts';
export type { Clock } from './async/clock.ts';
export * from './errors.ts';
export * from './model.ts';
export type { ConnectionStateName, ConnectionStatus, StatusDocument, WorkerStatus } from './status/document.ts';
