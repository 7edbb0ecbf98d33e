import { type Detection, redact, redactJsonText } from '../../policy/detectors/index.ts';
import type { FailedChange, PlannedChanges } from '../../policy/rules/index.ts';
import type { BodyChanges, TextSpot } from '../dialects/dialect.ts';
import type { InspectedTexts } from './inspect.ts';
import type { RequestTexts } from './phase-texts.ts';
import type { Identified, Read } from './run.ts';

/** A request after the changes that its policies asked for, and those that could not be made. */
export interface ChangedRequest {
  request: Read;
  failed: readonly FailedChange[];
}

/** What was found in the texts of a request; null where nothing was looked for. */
type Found = Pick<InspectedTexts, 'found' | 'unplaced'> | null;

/**
 * Makes changes in the outgoing body, in its text alone, and reads its facts again. A body that came compressed goes out
 * plain. What cannot be made is told, and then nothing at all is changed: policies decide anew on that.
 */
export function changeRequest(
  identified: Identified,
  request: Read,
  asked: { changes: PlannedChanges; texts: RequestTexts | null; found: Found },
): ChangedRequest {
  const { dialect } = request;
  const { plan, failed } = planBody(asked);
  if (failed.length > 0) return { request, failed };
  if (dialect.change === null || request.parsed === undefined) {
    const why = 'the format of this request has no place for it';
    return { request, failed: namesOf(asked.changes).map((change) => ({ change, why })) };
  }
  const changed = dialect.change({ bytes: request.plain, body: request.parsed, route: identified.route, plan });
  if (changed.failed.length > 0) return { request, failed: changed.failed };
  if (request.plain.equals(changed.bytes)) return { request, failed: [] };
  return { request: rereadRequest(identified, request, changed.bytes), failed: [] };
}

/** The request with other bytes to go out, and the facts that these have. */
export function rereadRequest(identified: Identified, request: Read, changed: Uint8Array): Read {
  const bytes = Buffer.from(changed.buffer, changed.byteOffset, changed.byteLength);
  const body: unknown = JSON.parse(bytes.toString('utf8'));
  const facts = request.dialect.readRequest({ route: identified.route, body, bytes });
  return { ...request, facts, plain: bytes, parsed: body, outgoing: bytes, outgoingIsPlain: true };
}

function planBody({ changes, texts, found }: { changes: PlannedChanges; texts: RequestTexts | null; found: Found }): {
  plan: BodyChanges;
  failed: readonly FailedChange[];
} {
  const { redact: detectors, set, ...others } = changes;
  const plan: BodyChanges = { ...others };
  if (set !== undefined) plan.set = set.map(({ parameter, value }) => ({ parameter, json: writeValue(value) }));
  if (detectors === undefined) return { plan, failed: [] };
  const spots = texts?.spots ?? null;
  const places = found?.found ?? null;
  if (detectors.some((id) => found?.unplaced.has(id))) {
    return { plan, failed: [{ change: 'redact', why: unplacedReason }] };
  }
  if (spots === null || places === null) {
    return { plan, failed: [{ change: 'redact', why: 'the texts of this request cannot be read' }] };
  }
  plan.replaceTexts = redactSpots(spots, places, detectors);
  return { plan, failed: [] };
}

/** Why findings cannot be taken out that stand in no single text. */
export const unplacedReason = 'a finding is spread over several texts, or stands in a name or an encoded text';

/**
 * The texts that hold findings of these detectors, without them. Arguments of tools are a JSON text of their own, and stay one.
 */
export function redactSpots(
  spots: readonly TextSpot[],
  found: readonly (readonly Detection[])[],
  detectors: readonly string[],
): { start: number; end: number; text: string }[] {
  return spots.flatMap(({ start, end, text, part }, index) => {
    const hits = (found[index] ?? []).filter(({ detector }) => detectors.includes(detector));
    if (hits.length === 0) return [];
    const isJson = part === 'tool_arguments' && /^\s*[{[]/.test(text);
    const ids = [...new Set(hits.map(({ detector }) => detector))];
    return [{ start, end, text: isJson ? redactJsonText(text, ids) : redact(text, hits) }];
  });
}

function writeValue(value: NonNullable<PlannedChanges['set']>[number]['value']): string {
  return typeof value === 'object' ? value.decimal : JSON.stringify(value);
}

function namesOf(changes: PlannedChanges): FailedChange['change'][] {
  const names: [keyof PlannedChanges, FailedChange['change']][] = [
    ['capOutputTokens', 'cap_output'],
    ['model', 'swap_model'],
    ['dropTools', 'drop_tools'],
    ['addSystem', 'add_system'],
    ['set', 'set'],
    ['remove', 'remove'],
    ['redact', 'redact'],
  ];
  return names.filter(([key]) => changes[key] !== undefined).map(([, name]) => name);
}
