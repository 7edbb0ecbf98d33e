import type { PolicyChange, PolicyPhase } from '../../storage/schema/snapshot.ts';
import { detectorIds } from '../detectors/index.ts';
import { findNearestName } from './nearest-names.ts';
import { quote } from './quote.ts';
import type { Fault } from './walk.ts';

const maxChanges = 8;
const maxTools = 128;
const maxNameLength = 256;
const maxSystemLength = 4_000;
const maxValueLength = 1_000;
/** Largest cap that any model could fill; beyond it a cap is a mistake. */
const maxCapTokens = 100_000_000;

const parameterForm = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;
const decimalForm = /^-?(?:0|[1-9]\d{0,15})(?:\.\d{1,15})?$/;
const control = /[\p{Cc}\p{Surrogate}]/u;
const unwritable = /[^\P{Cc}\n\t]|\p{Surrogate}/u;

/** Members of a body that decide what is sent to whom, what it costs and how it is read: other changes are for them, or none. */
const ownedParameters: ReadonlySet<string> = new Set(
  `model messages input prompt contents system system_instruction systemInstruction instructions tools functions toolConfig
  stream stream_options n best_of candidateCount max_tokens max_completion_tokens max_output_tokens maxOutputTokens
  max_tokens_to_sample generationConfig generation_config previous_response_id conversation background constructor
  prototype`.split(/\s+/),
);

const names: readonly PolicyChange['change'][] = [
  'cap_output',
  'swap_model',
  'drop_tools',
  'redact',
  'add_system',
  'set',
  'remove',
];

/** What is wrong with the changes of a `modify` policy: 1 to 8, each known to its phase, none twice. */
export function checkChanges(changes: unknown, phase: PolicyPhase): Fault[] {
  const place = '.then.changes';
  if (!Array.isArray(changes) || changes.length === 0 || changes.length > maxChanges)
    return [{ path: place, message: `expected a list of 1 to ${maxChanges} changes` }];
  const faults: Fault[] = [];
  const seen = new Set<string>();
  for (const [i, change] of changes.entries()) {
    const path = `${place}[${i}]`;
    if (typeof change !== 'object' || change === null) {
      faults.push({ path, message: 'expected a change' });
      continue;
    }
    const fields = change as Readonly<Record<string, unknown>>;
    const found = checkChange(fields, phase);
    if (found !== null) faults.push({ path: `${path}.${found[0]}`, message: found[1] });
    const target = nameTarget(fields);
    if (target !== null && seen.has(target)) faults.push({ path, message: `a second change of ${target}` });
    if (target !== null) seen.add(target);
  }
  return faults;
}

/** What a change can be made to only once in a policy. */
function nameTarget({ change, parameter }: Readonly<Record<string, unknown>>): string | null {
  if (change === 'set' || change === 'remove') return typeof parameter === 'string' ? quote(parameter) : null;
  return change === 'cap_output' || change === 'swap_model' || change === 'add_system' ? change : null;
}

type Wrong = readonly [field: string, message: string] | null;

function checkChange(fields: Readonly<Record<string, unknown>>, phase: PolicyPhase): Wrong {
  const { change } = fields;
  const known = names.find((name) => name === change);
  if (known === undefined) return ['change', `unknown change; known: ${names.join(' ')}`];
  if (phase === 'response' && known !== 'redact') return ['change', 'a response policy can only redact'];
  switch (known) {
    case 'cap_output':
      return check(isIntegerWithin(fields.tokens, 1, maxCapTokens), 'tokens', 'a cap is an integer of tokens from 1');
    case 'swap_model':
      return check(isName(fields.model), 'model', `a model is one line of 1 to ${maxNameLength} characters`);
    case 'drop_tools':
      return check(
        fields.tools === 'all' || isNameList(fields.tools),
        'tools',
        `expected "all" or 1 to ${maxTools} names`,
      );
    case 'redact':
      return checkDetectors(fields.detectors);
    case 'add_system':
      return check(
        isText(fields.text, maxSystemLength) && !unwritable.test(fields.text),
        'text',
        `a system instruction is 1 to ${maxSystemLength} characters of text`,
      );
    case 'set':
      return checkParameter(fields.parameter) ?? check(isParameterValue(fields.value), 'value', valueMessage);
    case 'remove':
      return checkParameter(fields.parameter);
  }
}

const valueMessage = `a value is true, false, an integer, a text of at most ${maxValueLength} characters, or {"decimal": "0.2"}`;

function check(holds: boolean, field: string, message: string): Wrong {
  return holds ? null : [field, message];
}

function checkDetectors(ids: unknown): Wrong {
  if (!Array.isArray(ids) || ids.length === 0 || ids.length > detectorIds.length)
    return ['detectors', 'expected a list of detectors'];
  const known = detectorIds.filter((id) => id !== 'dangerous_tools');
  const unknown: unknown = ids.find((id) => !known.some((name) => name === id));
  if (unknown === undefined) return null;
  const near = typeof unknown === 'string' ? findNearestName(unknown, known) : null;
  const hint = near === null ? `known: ${known.join(' ')}` : `did you mean ${near}?`;
  return ['detectors', `${quote(String(unknown))} is no detector that finds spans; ${hint}`];
}

function checkParameter(parameter: unknown): Wrong {
  if (typeof parameter !== 'string' || !parameterForm.test(parameter))
    return ['parameter', 'a parameter is a top-level member of the body: 1 to 64 letters, digits, dashes, underscores'];
  if (!ownedParameters.has(parameter)) return null;
  return ['parameter', `${quote(parameter)} cannot be set or removed as a parameter`];
}

function isParameterValue(value: unknown): boolean {
  if (typeof value === 'boolean' || Number.isSafeInteger(value)) return true;
  if (typeof value === 'string') return value.length <= maxValueLength && !unwritable.test(value);
  if (typeof value !== 'object' || value === null) return false;
  const { decimal } = value as Readonly<Record<string, unknown>>;
  return Object.keys(value).length === 1 && typeof decimal === 'string' && decimalForm.test(decimal);
}

function isIntegerWithin(value: unknown, least: number, most: number): boolean {
  return Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most;
}

function isText(value: unknown, longest: number): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= longest;
}

function isName(value: unknown): boolean {
  return isText(value, maxNameLength) && !control.test(value);
}

function isNameList(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0 && value.length <= maxTools && value.every(isName);
}
