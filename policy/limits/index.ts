export { checkLimits } from './check.ts';
export { type CompiledLimit, compileLimits } from './compile.ts';
export type { LimitFacts, RunAmounts } from './facts.ts';
export { planReservation, type ReservationPlan, settleAmounts } from './plan.ts';
export { computeProximity } from './proximity.ts';
export { explainRefusal, formatUsd } from './refusal.ts';
export * as specification from './specification.ts';
export { parseWindow } from './window.ts';
