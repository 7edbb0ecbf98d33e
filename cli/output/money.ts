/** Nano-USD (decimal string) as dollars for a person: at least cents, no more digits than needed. Null: unpriced. */
export function formatUsd(nanoUsd: string | null): string {
  if (nanoUsd === null) return 'unpriced';
  const negative = nanoUsd.startsWith('-');
  const digits = nanoUsd.replace('-', '').padStart(10, '0');
  const whole = digits.slice(0, -9);
  const fraction = digits.slice(-9).replace(/0+$/, '').padEnd(2, '0');
  return `${negative ? '-' : ''}$${whole}.${fraction}`;
}
