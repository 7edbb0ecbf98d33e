import type { BodyChange, BodyChanges, ChangedBody, RouteShape } from './dialect.ts';
import { applyEdits, changeMembers, planTexts, type TextEdit } from './json-edits.ts';
import { isObject, type JsonObject, parseJson } from './json-fields.ts';
import { findOpening, type JsonMember, listMembers, readLatin1 } from './json-members.ts';

/** Top-level members that changes of their own are for, or that no policy may touch: they decide what is asked and told. */
const fixedParameters = new Set([
  ...['model', 'models', 'messages', 'system', 'tools', 'functions', 'mcp_servers', 'prompt', 'n', 'best_of'],
  ...['max_tokens', 'max_completion_tokens', 'stream', 'stream_options'],
]);

/** A body that is being changed: edits of its text, and what becomes of its top-level members. */
export class BodyDraft {
  readonly edits: TextEdit[] = [];
  readonly set = new Map<string, string>();
  readonly remove = new Set<string>();
  readonly failed: { change: BodyChange; why: string }[] = [];
  readonly json: string;
  readonly body: JsonObject;
  readonly route: RouteShape;
  readonly #members: readonly JsonMember[];

  constructor(json: string, body: JsonObject, route: RouteShape) {
    this.json = json;
    this.body = body;
    this.route = route;
    this.#members = listMembers(json, findOpening(json));
  }

  /** Offset of the value of a top-level member, or -1. */
  find(name: string): number {
    return this.#members.findLast((member) => member.name === name)?.start ?? -1;
  }

  /** Takes note of a change that cannot be made. */
  fail(change: BodyChange, why: string): void {
    this.failed.push({ change, why });
  }
}

/** What differs between formats. Each step plans its edits in the draft, or takes note of why it cannot. */
export interface ChangeSteps {
  capOutput(draft: BodyDraft, tokens: number, model: unknown): void;
  swapModel(draft: BodyDraft, model: string): void;
  dropTools(draft: BodyDraft, names: readonly string[] | 'all'): void;
  addSystem(draft: BodyDraft, texts: readonly string[]): void;
}

/**
 * Changes a request's body by edits of its text, all planned on the text as it came: see `Dialect.change`. What stands
 * inside a value that is removed or set goes with it.
 */
export function changeBody(
  input: { bytes: Uint8Array; body: unknown; route: RouteShape; plan: BodyChanges },
  steps: ChangeSteps,
): ChangedBody {
  const { bytes, body, route, plan } = input;
  const json = readLatin1(bytes);
  const opening = findOpening(json);
  if (!isObject(body) || json.charCodeAt(opening) !== 0x7b) return { bytes, failed: failAll(plan) };
  const draft = new BodyDraft(json, body, route);
  if (plan.replaceTexts !== undefined) replaceTexts(draft, plan.replaceTexts);
  if (plan.model !== undefined) steps.swapModel(draft, plan.model);
  if (plan.capOutputTokens !== undefined) steps.capOutput(draft, plan.capOutputTokens, plan.model ?? body.model);
  if (plan.dropTools !== undefined) steps.dropTools(draft, plan.dropTools);
  if (plan.addSystem !== undefined && plan.addSystem.length > 0) steps.addSystem(draft, plan.addSystem);
  changeParameters(draft, plan);
  const members = changeMembers(json, opening, draft);
  return { bytes: applyEdits(bytes, [...members, ...draft.edits]), failed: draft.failed };
}

/** Sets the model that the body names; fails where it names none, or others besides. */
export function swapNamedModel(draft: BodyDraft, model: string): void {
  const { model: named, models } = draft.body;
  if (typeof named !== 'string') draft.fail('swap_model', 'The body names no model.');
  else if (Array.isArray(models) && models.length > 0)
    draft.fail('swap_model', 'The body names models to fall back to.');
  else if (model !== named) draft.set.set('model', JSON.stringify(model));
}

/** Whether a list of names, or `all`, names this tool by any of its own. */
export function isDropped(names: readonly string[] | 'all', own: readonly string[]): boolean {
  return names === 'all' || own.some((name) => names.includes(name));
}

/**
 * Whether tools can be taken out of these lists, as far as they are given; else takes note of why not. `readNames` tells all
 * names of a tool: one that has none could be any.
 */
export function canDrop(
  draft: BodyDraft,
  names: readonly string[] | 'all',
  asked: { lists: readonly string[]; readNames(tool: unknown): readonly string[] },
): boolean {
  for (const list of asked.lists) {
    const given = draft.body[list];
    if (given === undefined || given === null) continue;
    const isList = Array.isArray(given);
    if (isList && (names === 'all' || given.every((tool) => asked.readNames(tool).length > 0))) continue;
    draft.fail('drop_tools', isList ? `A tool of ${list} has no name.` : `The member ${list} is no list.`);
    return false;
  }
  return true;
}

function replaceTexts(draft: BodyDraft, replacements: NonNullable<BodyChanges['replaceTexts']>): void {
  const { edits, misplaced } = planTexts(draft.json, replacements);
  draft.edits.push(...edits);
  if (misplaced > 0) draft.fail('redact', 'A text to be replaced is not where it was found.');
}

function changeParameters(draft: BodyDraft, plan: BodyChanges): void {
  for (const { parameter, json } of plan.set ?? []) {
    if (fixedParameters.has(parameter)) draft.fail('set', `The parameter ${parameter} cannot be set by a policy.`);
    else if (parseJson(json) === undefined) draft.fail('set', `The value for ${parameter} is no JSON text.`);
    else if (draft.remove.has(parameter)) draft.fail('set', `The parameter ${parameter} goes with the tools.`);
    else if (!draft.set.has(parameter)) draft.set.set(parameter, json);
  }
  for (const parameter of plan.remove ?? []) {
    if (fixedParameters.has(parameter))
      draft.fail('remove', `The parameter ${parameter} cannot be removed by a policy.`);
    else draft.remove.add(parameter);
  }
}

function failAll(plan: BodyChanges): ChangedBody['failed'] {
  const asked: [BodyChange, boolean][] = [
    ['redact', (plan.replaceTexts?.length ?? 0) > 0],
    ['swap_model', plan.model !== undefined],
    ['cap_output', plan.capOutputTokens !== undefined],
    ['drop_tools', plan.dropTools !== undefined],
    ['add_system', (plan.addSystem?.length ?? 0) > 0],
    ['set', (plan.set?.length ?? 0) > 0],
    ['remove', (plan.remove?.length ?? 0) > 0],
  ];
  return asked.flatMap(([change, isAsked]) => (isAsked ? [{ change, why: 'The body is no JSON object.' }] : []));
}
