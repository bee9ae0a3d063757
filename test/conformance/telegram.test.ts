import { describeConformance } from './suite.ts';
import { telegramHarness } from './telegram.ts';

describeConformance(telegramHarness);
