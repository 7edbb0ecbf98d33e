/** A test of one content fact against one literal, made beside the detectors; its result is a fact of its own. */
export interface Scan {
  /** Name of the derived fact in the context. */
  name: string;
  /** The content fact that is tested. */
  fact: string;
  test: ScanTestName;
  /** The literal, or "" for `length`. */
  pattern: string;
}

export type ScanTestName = 'matches' | 'contains' | 'startsWith' | 'endsWith' | 'length';

const nameForm = /^[a-z_.]{1,64} (?:(length)|(matches|contains|startsWith|endsWith) ".*")$/s;

/** The name of a scan's result in a context, e.g. `request.text matches "(?i)project-x"`. */
export function nameScan(fact: string, test: ScanTestName, pattern: string): string {
  return test === 'length' ? `${fact} length` : `${fact} ${test} ${JSON.stringify(pattern)}`;
}

/** The test in the name of a scan's result, or null for any other name. */
export function readScanTest(name: string): ScanTestName | null {
  if (!name.includes(' ')) return null;
  const [, length, test] = nameForm.exec(name) ?? [];
  return (length ?? test ?? null) as ScanTestName | null;
}
