export { computeCost, computeWorstCase } from './cost.ts';
export { type CompiledPrices, compilePrices, findPrice } from './find-price.ts';
