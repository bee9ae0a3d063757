/** What the API tells the page: its own types, and nothing of its code. */
export type { DeadMessage } from '../../state/dead-messages.ts';
export type { AgentStatus, Trouble } from '../../status/chain.ts';
export type { ConnectionDetail } from '../../status/connection-detail.ts';
export type { ConnectionStateName, ConnectionStatus, WorkerStatus } from '../../status/document.ts';
export type { OverviewDocument, QueueOverview } from '../../status/overview.ts';
export type { ConnectionTimeline, Mark, Span, TimelineDocument, TimelineState } from '../../status/timeline.ts';
