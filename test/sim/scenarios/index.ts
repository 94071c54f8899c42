import type { Scenario } from '../scenario.ts';
import { call } from './call.ts';
import { loss } from './loss.ts';
import { noise } from './noise.ts';
import { observer } from './observer.ts';
import { ringing } from './ringing.ts';

export const SCENARIOS: readonly Scenario[] = [call, observer, loss, noise, ringing];
