/** What one process answered on /metrics, in Prometheus' text format 0.0.4. */
export interface ProcessMetrics {
  process: string;
  text: string;
}

interface Family {
  help: string | null;
  type: string | null;
  samples: string[];
}

const labelName = 'process';
const familySuffixes = ['_bucket', '_sum', '_count', '_total', '_created', '_info'];

/**
 * The union of several processes' metrics: each sample gets the label `process`, each family its HELP and TYPE once with
 * all its samples together, as the format demands. A label `process` that a sample already has becomes
 * `exported_process`, as Prometheus itself does. Lines that are no samples are left out. First HELP and TYPE win.
 */
export function joinMetrics(all: readonly ProcessMetrics[]): string {
  const families = new Map<string, Family>();
  for (const one of all) addProcess(families, one);
  const lines: string[] = [];
  for (const [name, family] of families) {
    if (family.samples.length === 0) continue;
    if (family.help !== null) lines.push(`# HELP ${name} ${family.help}`);
    if (family.type !== null) lines.push(`# TYPE ${name} ${family.type}`);
    lines.push(...family.samples);
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function addProcess(families: Map<string, Family>, { process, text }: ProcessMetrics): void {
  for (const line of text.split('\n')) {
    const comment = /^#\s+(HELP|TYPE)\s+([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\s+(.*))?$/.exec(line);
    if (comment?.[2] !== undefined) {
      const family = familyOf(families, comment[2]);
      if (comment[1] === 'HELP') family.help ??= comment[3] ?? '';
      else family.type ??= (comment[3] ?? 'untyped').trim();
      continue;
    }
    const sample = line.startsWith('#') ? null : relabelSample(line, process);
    if (sample !== null) familyOf(families, familyName(families, sample.name)).samples.push(sample.line);
  }
}

function familyOf(families: Map<string, Family>, name: string): Family {
  let family = families.get(name);
  if (family === undefined) {
    family = { help: null, type: null, samples: [] };
    families.set(name, family);
  }
  return family;
}

/** `x_bucket` belongs to the histogram `x` when `x` was declared; otherwise a sample is its own family. */
function familyName(families: Map<string, Family>, sample: string): string {
  if (families.has(sample)) return sample;
  for (const suffix of familySuffixes) {
    const base = sample.slice(0, -suffix.length);
    if (sample.endsWith(suffix) && families.get(base)?.type != null) return base;
  }
  return sample;
}

/** A number as the format writes it, and an optional timestamp. */
const sampleValue = /^\s*([+-]?(\d|\.\d)[\d.eE+-]*|[+-]?Inf|NaN)(\s+-?\d+)?\s*$/;

/** One sample line with the label put first, or null when the line is no sample. */
function relabelSample(line: string, process: string): { name: string; line: string } | null {
  const found = /^\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\{?)/.exec(line);
  if (found?.[1] === undefined) return null;
  const own = `${labelName}="${escapeLabel(process)}"`;
  const rest = line.slice(found[0].length);
  if (found[2] === '') {
    return sampleValue.test(rest) ? { name: found[1], line: `${found[1]}{${own}} ${rest.trim()}` } : null;
  }
  const labels = readLabels(rest);
  if (labels === null || !sampleValue.test(rest.slice(labels.end))) return null;
  const kept = labels.pairs.map(([name, value]) => `${name === labelName ? `exported_${labelName}` : name}=${value}`);
  return { name: found[1], line: `${found[1]}{${[own, ...kept].join(',')}} ${rest.slice(labels.end).trim()}` };
}

/** Reads `name="value",...}`; values stay quoted and escaped as they were. Null when the text is no label list. */
function readLabels(text: string): { pairs: [string, string][]; end: number } | null {
  const pairs: [string, string][] = [];
  const label = /\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*("(?:[^"\\]|\\.)*")\s*,?/y;
  const close = /\s*\}/y;
  let at = 0;
  for (;;) {
    close.lastIndex = at;
    if (close.test(text)) return { pairs, end: close.lastIndex };
    label.lastIndex = at;
    const found = label.exec(text);
    if (found?.[1] === undefined || found[2] === undefined) return null;
    pairs.push([found[1], found[2]]);
    at = label.lastIndex;
  }
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
