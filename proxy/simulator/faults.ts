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
  noUsage?: true;
  malformed?: true;
  empty?: true;
  trailing?: true;
  endless?: true;
  resetBeforeHead?: true;
  gzip?: true;
}

export const knownFaults =
  'status:<code> cut[:<part>] hang:<ms> slow:<factor> rate:<tokens/s> delay-head:<ms> size:<bytes> nousage malformed empty trailing endless reset-before-head gzip';

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
  nousage: () => ({ noUsage: true }),
  malformed: () => ({ malformed: true }),
  empty: () => ({ empty: true }),
  trailing: () => ({ trailing: true }),
  endless: () => ({ endless: true }),
  'reset-before-head': () => ({ resetBeforeHead: true }),
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

function isWait(value: number): boolean {
  return value >= 0 && value <= maxWaitMs;
}
