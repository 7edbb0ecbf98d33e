export { checkPolicies } from './check-policies.ts';
export { type CompiledPolicies, compileInSteps, compilePolicies } from './compile.ts';
export { freezeContext } from './context.ts';
export { decideRequest } from './decide.ts';
export { engineVersion } from './engine.ts';
export type { ScopeFacts } from './scope.ts';
