import { type BodyDraft, type ChangeSteps, canDrop, changeBody, isDropped, swapNamedModel } from '../body-changes.ts';
import type { BodyChanges, ChangedBody, RouteShape } from '../dialect.ts';
import { insertElements, removeElements } from '../json-edits.ts';
import { isObject, readList, readText } from '../json-fields.ts';
import { findMember } from '../json-members.ts';
import { planChatCap } from './cap-output.ts';
import { readDeployment } from './request.ts';
import { readToolNames } from './tool-names.ts';

const steps: ChangeSteps = {
  capOutput(draft, tokens, model) {
    for (const [name, value] of planChatCap(draft.body, model, tokens)) draft.set.set(name, value);
  },
  swapModel(draft, model) {
    if (readDeployment(draft.route.path) === null) swapNamedModel(draft, model);
    else draft.fail('swap_model', 'The path names the deployment, and so the model.');
  },
  dropTools: dropChatTools,
  addSystem: addChatSystem,
};

/** Changes a chat request's body: see `Dialect.change`. */
export function changeChatBody(input: {
  bytes: Uint8Array;
  body: unknown;
  route: RouteShape;
  plan: BodyChanges;
}): ChangedBody {
  return changeBody(input, steps);
}

/**
 * Takes tools out of `tools` and the older `functions`. Where none is left the list goes, and with it what providers
 * refuse without it: `tool_choice` and `parallel_tool_calls`, or `function_call`. A choice that names a tool which is gone
 * goes too, so that the model may choose among the rest; of a list of allowed tools only the names that are gone, and
 * where that leaves none the model may call no tool. `all` takes with it what asks the provider for tools of its own.
 */
function dropChatTools(draft: BodyDraft, names: readonly string[] | 'all'): void {
  if (!canDrop(draft, names, { lists: ['tools', 'functions'], readNames: readToolNames })) return;
  if (names === 'all') for (const one of ['web_search_options', 'plugins', 'mcp_servers']) draft.remove.add(one);
  const isGone = (tool: unknown) => isDropped(names, readToolNames(tool));
  if (dropFrom(draft, 'tools', isGone) === 0)
    for (const one of ['tool_choice', 'parallel_tool_calls']) draft.remove.add(one);
  else dropFromChoice(draft, isGone);
  const { function_call: called } = draft.body;
  const isNamed = isObject(called) && isDropped(names, listName(called.name));
  if (dropFrom(draft, 'functions', isGone) === 0 || isNamed) draft.remove.add('function_call');
}

/** Returns how many elements the list has left, or -1 where it had none to begin with. */
function dropFrom(draft: BodyDraft, list: string, isGone: (tool: unknown) => boolean): number {
  const tools = readList(draft.body[list]);
  if (tools.length === 0) return -1;
  const left = tools.filter((tool) => !isGone(tool)).length;
  if (left === 0) draft.remove.add(list);
  else draft.edits.push(...removeElements(draft.json, draft.find(list), (index) => isGone(tools[index])));
  return left;
}

function dropFromChoice(draft: BodyDraft, isGone: (tool: unknown) => boolean): void {
  const { tool_choice: choice } = draft.body;
  if (!isObject(choice)) return;
  if (choice.type !== 'allowed_tools') {
    if (isGone(choice)) draft.remove.add('tool_choice');
    return;
  }
  const own = isObject(choice.allowed_tools) ? choice.allowed_tools : choice;
  const allowed = readList(own.tools);
  if (allowed.length > 0 && allowed.every(isGone)) draft.set.set('tool_choice', '"none"');
  else draft.edits.push(...removeElements(draft.json, findAllowed(draft, own === choice), (at) => isGone(allowed[at])));
}

function findAllowed(draft: BodyDraft, isFlat: boolean): number {
  const at = draft.find('tool_choice');
  const own = isFlat ? at : (findMember(draft.json, at, 'allowed_tools')?.start ?? -1);
  return findMember(draft.json, own, 'tools')?.start ?? -1;
}

/**
 * Inserts one message for each text behind the system and developer messages at the head, in the role of the last of
 * them: providers that know both want only one of the two in a request.
 */
function addChatSystem(draft: BodyDraft, texts: readonly string[]): void {
  const { messages } = draft.body;
  if (!Array.isArray(messages)) {
    draft.fail('add_system', 'The body has no list of messages.');
    return;
  }
  const others = messages.findIndex((message) => readSystemRole(message) === null);
  const after = others < 0 ? messages.length : others;
  const role = readSystemRole(messages[after - 1]) ?? 'system';
  const added = texts.map((content) => JSON.stringify({ role, content }));
  draft.edits.push(...insertElements(draft.json, draft.find('messages'), { after, texts: added }));
}

function readSystemRole(message: unknown): 'system' | 'developer' | null {
  if (!isObject(message)) return null;
  return message.role === 'system' || message.role === 'developer' ? message.role : null;
}

function listName(name: unknown): string[] {
  const text = readText(name);
  return text === null ? [] : [text];
}
