import { computeWorstCase, findPrice, hidesOutput } from '../../policy/pricing/index.ts';
import type { ModelPrice } from '../../storage/schema/snapshot.ts';
import { closeStage, type Identified, type PriceQuote, type Read, type Run } from './run.ts';

/** Methods that carry no prompt: what they cost, if anything, is not bounded by a reservation. */
const readOnlyMethods = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Stage 4: what the run may cost at most. Refuses nothing: an unknown price is a fact that the limits judge. */
export function price(run: Run, identified: Identified, request: Read): PriceQuote {
  const quote = computeQuote(run.startedAtMs, identified, request);
  if (quote.price === null) run.marks.add('unpriced');
  run.quote = quote;
  closeStage(run, 'price', quote.unboundedReason ?? 'ok');
  return quote;
}

/** The worst case of the request as it stands: a pure function of its facts and the price document. */
export function computeQuote(atMs: number, identified: Identified, request: Read): PriceQuote {
  const { facts } = request;
  const none = { price: null, hidesOutput: facts.hiddenOutput, worstCaseNanoUsd: null, unboundedReason: null };
  if (readOnlyMethods.has(identified.route.method)) {
    return { ...none, inputTokens: 0, outputTokens: 0, worstCaseNanoUsd: 0n };
  }
  const inputTokens = facts.inputBoundTokens;
  const { model } = facts;
  const found = model === null || facts.unlistedRate ? null : findModel(identified, request, { model, atMs });
  if (found === null) {
    const hides = facts.hiddenOutput || hidesByName(identified, request);
    return {
      ...none,
      inputTokens,
      outputTokens: facts.maxOutputTokens,
      hidesOutput: hides,
      unboundedReason: 'unpriced',
    };
  }
  const worst = computeWorstCase(found, {
    inputTokens,
    outputTokens: facts.maxOutputTokens === null ? null : Math.ceil(facts.maxOutputTokens / facts.choices),
    answers: facts.choices,
    inputMedia: facts.inputMedia,
    longCache: facts.longCache,
  });
  const unbounded = facts.unbounded !== null || worst.nanoUsd === null;
  return {
    price: found,
    inputTokens,
    outputTokens: worst.outputTokens,
    hidesOutput: facts.hiddenOutput || found.hidden_output === true,
    worstCaseNanoUsd: worst.nanoUsd,
    unboundedReason: unbounded ? 'unbounded' : null,
  };
}

/** What a model's name tells where no price list knows it. */
function hidesByName({ provider }: Identified, { facts, dialect }: Read): boolean {
  const { model } = facts;
  const lists = [provider.price_as ?? provider.slug, dialect.vendor];
  return model !== null && lists.some((list) => list !== null && hidesOutput(list, model));
}

function findModel(identified: Identified, request: Read, asked: { model: string; atMs: number }): ModelPrice | null {
  const { provider, tenant } = identified;
  if (provider.price_as !== null) return findPrice(tenant.prices, { list: provider.price_as, ...asked });
  const own = findPrice(tenant.prices, { list: provider.slug, ...asked });
  if (own !== null || request.dialect.vendor === null) return own;
  return findPrice(tenant.prices, { list: request.dialect.vendor, ...asked });
}
