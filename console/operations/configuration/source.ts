import {
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml';
import type { Finding } from '../../../storage/schema/errors.ts';
import { largestConfigurationBytes } from '../../contract/configuration.ts';

/** Place of a value in a file: field names and list positions from the top. */
export type FieldPath = readonly (string | number)[];

/** Takes one mistake: its place, and a sentence that says what is expected. */
export type Report = (path: FieldPath, message: string) => void;

/** A configuration file that parsed: its value, and where each field stands in its text. */
export interface ConfigurationSource {
  file: string;
  value: unknown;
  /** 1-based line of the field, or of the nearest field above it that exists. */
  lineOf(path: FieldPath): number;
}

const mostAliases = 100;

/** `tenants[0].keys[1].secretEnv` for a path; the empty path is the file itself. */
export function renderPath(path: FieldPath): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? part : `${text}.${part}`;
  }, '');
}

/** The path of a rendered field; a name with a dot in it reads as two. */
export function parsePath(field: string): FieldPath {
  return [...field.matchAll(/\[(\d+)\]|[^.[\]]+/g)].map((match) =>
    match[1] === undefined ? match[0] : Number(match[1]),
  );
}

/**
 * Parses the text of a configuration file (YAML 1.2; JSON is a part of it) with its lines.
 *
 * Bounded: 8 MiB, 100 aliases, no tags. Every syntax error is a finding; with any, there is no source. Amounts written as
 * numbers (`ceilingUsd: 0.1`, those under `usdPerMillion`) are taken as the digits that stand in the text, so that no float ever holds money.
 */
export function readConfigurationSource(
  file: string,
  text: string,
): { source: ConfigurationSource | null; findings: readonly Finding[] } {
  if (Buffer.byteLength(text) > largestConfigurationBytes) {
    return refuse(file, null, `The file is larger than ${largestConfigurationBytes} bytes; split it by tenants`);
  }
  const lines = new LineCounter();
  try {
    const document = parseDocument(text, {
      lineCounter: lines,
      version: '1.2',
      logLevel: 'error',
      prettyErrors: false,
    });
    const faults = [...document.errors, ...document.warnings];
    if (faults.length > 0) {
      const findings = faults.map((fault) => ({
        file,
        line: lines.linePos(fault.pos[0]).line,
        field: '',
        message: `Not valid YAML: ${fault.message}`,
      }));
      return { source: null, findings };
    }
    keepDigitsOfAmounts(document);
    const value: unknown = document.toJS({ maxAliasCount: mostAliases });
    return { source: { file, value, lineOf: (path) => findLine(document, lines, path) }, findings: [] };
  } catch (error) {
    if (error instanceof ReferenceError) {
      return refuse(
        file,
        null,
        `The file uses more than ${mostAliases} aliases, or one that has no anchor; write it out`,
      );
    }
    if (error instanceof RangeError) return refuse(file, null, 'The file is nested too deeply to be read');
    throw error;
  }
}

function refuse(file: string, line: number | null, message: string): { source: null; findings: readonly Finding[] } {
  return { source: null, findings: [{ file, line, field: '', message }] };
}

function keepDigitsOfAmounts(document: Document): void {
  visit(document, {
    Pair: (_key, pair, path) => {
      if (!isScalar(pair.key) || !isScalar(pair.value)) return;
      const above: unknown = path.at(-2);
      const isRate = isPair(above) && isScalar(above.key) && above.key.value === 'usdPerMillion';
      if (!isRate && pair.key.value !== 'ceilingUsd') return;
      if (typeof pair.value.value === 'number' && pair.value.source !== undefined) pair.value.value = pair.value.source;
    },
  });
}

function findLine(document: Document, lines: LineCounter, path: FieldPath): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const part of path) {
    const container: unknown = isAlias(node) ? node.resolve(document) : node;
    let next: unknown = null;
    if (isMap(container)) {
      const pair = container.items.find((item) => isScalar(item.key) && String(item.key.value) === String(part));
      offset = startOf(pair?.key) ?? offset;
      next = pair?.value;
    } else if (isSeq(container) && typeof part === 'number') {
      next = container.items[part];
      offset = startOf(next) ?? offset;
    }
    if (next === undefined || next === null) break;
    node = next;
  }
  return lines.linePos(offset).line;
}

function startOf(node: unknown): number | null {
  const range = (node as Partial<Node> | null | undefined)?.range;
  return range === undefined || range === null ? null : range[0];
}
