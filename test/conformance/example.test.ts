import { parcelHarness } from './example.ts';
import { describeConformance } from './suite.ts';

describeConformance(parcelHarness);
