import type { Row } from '../row.ts';
import { chats } from './chats.ts';
import { connections } from './connections.ts';
import { echo } from './echo.ts';
import { ingest } from './ingest.ts';
import { latency } from './latency.ts';
import { peers } from './peers.ts';
import { soak } from './soak.ts';
import { start } from './start.ts';
import { takeover } from './takeover.ts';

/** In the order of the document. */
export const ROWS: readonly Row[] = [ingest, latency, echo, connections, chats, takeover, peers, start, soak];
