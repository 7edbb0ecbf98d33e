export { classifyOutcome, worstProximity } from './outcome.ts';
