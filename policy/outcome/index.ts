export { classifyOutcome } from './outcome.ts';
