import { type BodyDraft, type ChangeSteps, canDrop, changeBody, isDropped, swapNamedModel } from '../body-changes.ts';
import type { BodyChanges, ChangedBody, RouteShape } from '../dialect.ts';
import { insertElements, removeElements } from '../json-edits.ts';
import { isObject, readList, readText } from '../json-fields.ts';
import { findValueEnd } from '../json-members.ts';
import { planMessagesCap } from './cap-output.ts';
import { readMessageToolNames } from './request.ts';

const steps: ChangeSteps = {
  capOutput(draft, tokens) {
    for (const [name, value] of planMessagesCap(draft.body, tokens)) draft.set.set(name, value);
  },
  swapModel: swapNamedModel,
  dropTools: dropMessageTools,
  addSystem: addMessagesSystem,
};

/** Changes a messages request's body: see `Dialect.change`. */
export function changeMessagesBody(input: {
  bytes: Uint8Array;
  body: unknown;
  route: RouteShape;
  plan: BodyChanges;
}): ChangedBody {
  return changeBody(input, steps);
}

/**
 * Takes tools out. Where none is left, `tools` and `tool_choice` go; a choice that names a tool which is gone goes too, so
 * that the model may choose among the rest. `all` takes the MCP servers with it, whose tools the provider calls by itself.
 */
function dropMessageTools(draft: BodyDraft, names: readonly string[] | 'all'): void {
  if (!canDrop(draft, names, { lists: ['tools'], readNames: readMessageToolNames })) return;
  const { tools: given, tool_choice: choice } = draft.body;
  const tools = readList(given);
  const isGone = (tool: unknown) => isDropped(names, readMessageToolNames(tool));
  if (names === 'all') draft.remove.add('mcp_servers');
  if (tools.length > 0 && tools.every(isGone)) {
    draft.remove.add('tools');
    draft.remove.add('tool_choice');
    return;
  }
  draft.edits.push(...removeElements(draft.json, draft.find('tools'), (index) => isGone(tools[index])));
  const chosen = isObject(choice) ? readText(choice.name) : null;
  if (chosen !== null && isDropped(names, [chosen])) draft.remove.add('tool_choice');
}

/** Adds the texts behind the system prompt: to its text, behind a blank line, or as blocks of their own. */
function addMessagesSystem(draft: BodyDraft, texts: readonly string[]): void {
  const { system } = draft.body;
  const at = draft.find('system');
  if (Array.isArray(system)) {
    const blocks = texts.map((text) => JSON.stringify({ type: 'text', text }));
    draft.edits.push(...insertElements(draft.json, at, { after: system.length, texts: blocks }));
  } else if (system === undefined || system === null) {
    draft.set.set('system', JSON.stringify(texts.join('\n\n')));
  } else if (typeof system === 'string') appendToString(draft, at, texts.join('\n\n'));
  else draft.fail('add_system', 'The system prompt is neither a text nor a list of blocks.');
}

/** Adds to the end of a string, also of one that is replaced in the same draft; behind a blank line unless it is empty. */
function appendToString(draft: BodyDraft, start: number, text: string): void {
  const end = findValueEnd(draft.json, start);
  const index = draft.edits.findIndex((edit) => edit.start === start && edit.end === end);
  const literal = draft.edits[index]?.text ?? draft.json.slice(start, end);
  const added = JSON.stringify(literal === '""' ? text : `\n\n${text}`).slice(1, -1);
  if (index < 0) draft.edits.push({ start: end - 1, end: end - 1, text: added });
  else draft.edits[index] = { start, end, text: `${literal.slice(0, -1)}${added}"` };
}
