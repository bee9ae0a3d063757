/**
 * What every adapter must show against its emulator, whatever its platform. Where platforms differ, the capability
 * record decides what is expected: it is what users are told.
 */
import { describe } from 'vitest';
import type { ConformanceHarness } from './harness.ts';
import { itKeepsItsRecord } from './scenarios/capability-record.ts';
import { itReadsWhatComes } from './scenarios/content.ts';
import { itSurvivesCrashes } from './scenarios/crash.ts';
import { itDiagnoses } from './scenarios/diagnosis.ts';
import { itLetsGo } from './scenarios/letting-go.ts';
import { itPassesOverPoison } from './scenarios/poison.ts';
import { itMinds } from './scenarios/refusals.ts';
import { itSends } from './scenarios/sending.ts';
import { itWaitsForStorage } from './scenarios/storage.ts';
import { itSurvivesTransport } from './scenarios/transport.ts';

/** Each scenario has its own platform, so they run side by side: most of their time is waiting for deadlines. */
export function describeConformance(harness: ConformanceHarness): void {
  describe.concurrent(`an adapter for ${harness.name}`, () => {
    itKeepsItsRecord(harness);
    itSurvivesCrashes(harness);
    itPassesOverPoison(harness);
    itSurvivesTransport(harness);
    itMinds(harness);
    itDiagnoses(harness);
    itWaitsForStorage(harness);
    itReadsWhatComes(harness);
    itLetsGo(harness);
    itSends(harness);
  });
}
