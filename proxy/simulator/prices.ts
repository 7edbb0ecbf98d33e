/** Prices of a model in nano-USD per million tokens. Cached input costs half of input. */
interface Rates {
  input: bigint;
  cachedInput: bigint;
  output: bigint;
}

const small: Rates = { input: 150_000_000n, cachedInput: 75_000_000n, output: 600_000_000n };
const large: Rates = { input: 2_500_000_000n, cachedInput: 1_250_000_000n, output: 10_000_000_000n };

/** Most output tokens that a model makes in one answer. */
export const maxOutputTokens = 16_384;

/** The models that the simulator lists, in order. Every other name is answered too, at the price of `sim-small`. */
export const models: readonly string[] = ['sim-small', 'sim-large'];

/** Whether a model keeps prompts, so that a repeated one costs less. */
export function cachesPrompts(model: string): boolean {
  return model === 'sim-large';
}

/** What an answer costs, in nano-USD, rounded up once. `input` includes `cachedInput`. */
export function computeCharge(model: string, tokens: { input: number; cachedInput: number; output: number }): bigint {
  const rates = model === 'sim-large' ? large : small;
  const uncached = BigInt(tokens.input - tokens.cachedInput);
  const perMillion =
    uncached * rates.input + BigInt(tokens.cachedInput) * rates.cachedInput + BigInt(tokens.output) * rates.output;
  return (perMillion + 999_999n) / 1_000_000n;
}
