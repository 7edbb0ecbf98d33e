export { bundledLists } from './bundled-lists.ts';
export { type CostBounds, computeCost, computeWorstCase } from './cost.ts';
export { type CompiledPrices, compilePrices, findPrice, overlayPrices } from './find-price.ts';
export { hidesOutput } from './hidden-output.ts';
