/** `cumulative` and `repeated`: every event of a stream tells usage, so far or in full. */
export type UsageFault = 'negative' | 'zero' | 'partial' | 'cumulative' | 'repeated';

/** What a request wants to go wrong. Fields that are absent stay right. */
export interface Faults {
  /** Answer with this status and the shape's own error. */
  status?: number;
  /** Destroy the socket after this part (0 to 1) of the answer. */
  cut?: number;
  /** Silence of this many milliseconds in the middle of the answer. */
  hangMs?: number;
  /** Factor on all times; paces the answer also where the simulator is instant. */
  slow?: number;
  /** Pace in tokens a second. */
  rate?: number;
  /** Wait before the head, in milliseconds. */
  delayHeadMs?: number;
  /** Length of the answer's text in bytes; a stream sends it as one event. */
  size?: number;
  /** Tokens of the answer's text, one an event, unless the request's own cap is smaller. */
  tokens?: number;
  /** Tokens thought before the answer and not shown, within the request's cap. */
  reasoning?: number;
  /** Output tokens charged and told beyond what was shown and beyond any cap. */
  overcap?: number;
  /** What is wrong with the usage that is told. The ledger tells the truth. */
  usage?: UsageFault;
  noUsage?: true;
  malformed?: true;
  empty?: true;
  trailing?: true;
  endless?: true;
  resetBeforeHead?: true;
  /** As `resetBeforeHead`, after the whole answer was produced and charged. */
  resetBilled?: true;
  gzip?: true;
}

export const knownFaults =
  'status:<code> cut[:<part>] hang:<ms> slow:<factor> rate:<tokens/s> delay-head:<ms> size:<bytes> tokens:<n> reasoning:<n> overcap:<n> nousage ' +
  'usage-negative usage-zero usage-partial usage-cumulative usage-repeated malformed empty trailing endless reset-before-head ' +
  'reset-billed gzip';

const maxTokens = 5_000_000;
const maxSize = 256 * 1024 * 1024;
const maxWaitMs = 3_600_000;
const marker = '+fault=';

const readers: Readonly<Record<string, (value: number) => Faults | null>> = {
  status: (value) => (Number.isInteger(value) && value >= 400 && value <= 599 ? { status: value } : null),
  cut: (value) => (Number.isNaN(value) ? { cut: 0.5 } : value >= 0 && value < 1 ? { cut: value } : null),
  hang: (value) => (isWait(value) ? { hangMs: value } : null),
  slow: (value) => (value > 0 && value <= 1000 ? { slow: value } : null),
  rate: (value) => (value > 0 && value <= 100_000 ? { rate: value } : null),
  'delay-head': (value) => (isWait(value) ? { delayHeadMs: value } : null),
  size: (value) => (Number.isInteger(value) && value >= 1 && value <= maxSize ? { size: value } : null),
  tokens: (value) => (isCount(value) ? { tokens: value } : null),
  reasoning: (value) => (isCount(value) ? { reasoning: value } : null),
  overcap: (value) => (isCount(value) ? { overcap: value } : null),
  'usage-negative': () => ({ usage: 'negative' }),
  'usage-zero': () => ({ usage: 'zero' }),
  'usage-partial': () => ({ usage: 'partial' }),
  'usage-cumulative': () => ({ usage: 'cumulative' }),
  'usage-repeated': () => ({ usage: 'repeated' }),
  nousage: () => ({ noUsage: true }),
  malformed: () => ({ malformed: true }),
  empty: () => ({ empty: true }),
  trailing: () => ({ trailing: true }),
  endless: () => ({ endless: true }),
  'reset-before-head': () => ({ resetBeforeHead: true }),
  'reset-billed': () => ({ resetBilled: true }),
  gzip: () => ({ gzip: true }),
};

/** A request's model without its fault suffix, and the suffix: `sim-small+fault=cut,slow:2`. */
export function splitModel(model: string): { model: string; suffix: string } {
  const at = model.indexOf(marker);
  return at < 0 ? { model, suffix: '' } : { model: model.slice(0, at), suffix: model.slice(at + marker.length) };
}

/**
 * Reads a list of faults (`cut, slow:2`), separated by commas. The answer is the sum of all, or the first word that is
 * no fault, so that a misspelt test fails at once.
 */
export function readFaults(text: string): { faults: Faults } | { unknown: string } {
  let faults: Faults = {};
  for (const word of text.split(',')) {
    const trimmed = word.trim();
    if (trimmed === '') continue;
    const [name = '', value] = trimmed.split(':');
    const read = Object.hasOwn(readers, name)
      ? readers[name]?.(value === undefined ? Number.NaN : Number(value))
      : null;
    if (read === null || read === undefined) return { unknown: trimmed };
    faults = { ...faults, ...read };
  }
  return { faults };
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= maxTokens;
}

function isWait(value: number): boolean {
  return value >= 0 && value <= maxWaitMs;
}
