const longestQuote = 64;

/** Text of an author's, cut and escaped so that it can stand in a finding, whatever it is made of. */
export function quote(text: string): string {
  return JSON.stringify(text.length > longestQuote ? `${text.slice(0, longestQuote)}...` : text);
}
