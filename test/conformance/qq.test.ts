import { qqHarness } from './qq.ts';
import { describeConformance } from './suite.ts';

describeConformance(qqHarness);
