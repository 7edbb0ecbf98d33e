import type { UnboundedReason } from '../dialect.ts';
import { isObject, readList } from '../json-fields.ts';

/** Members that bring in content which is not in the body. */
const storedNames = new Set([
  ...['previous_response_id', 'conversation', 'container', 'cachedContent', 'cached_content', 'vector_store_ids'],
  ...['file_id', 'file_ids', 'input_file_id', 'fileUri', 'file_uri', 'assistant_id', 'thread_id', 'batch', 'requests'],
]);
/** Members that ask for several answers. */
const choiceNames = new Set(['n', 'best_of', 'candidateCount', 'candidate_count', 'num_return_sequences']);
/** Members that make the provider search, or run something, by itself. */
const serverNames = new Set(['web_search_options', 'search_parameters', 'plugins', 'mcp_servers', 'googleSearch']);
const ownToolTypes: readonly unknown[] = ['function', 'custom'];
const ownToolMembers = ['name', 'functionDeclarations', 'function_declarations', 'toolSpec', 'function', 'custom'];

const addressName = /ur[il]$/i;
const address = /^[a-z][a-z0-9+.-]*:\/\//i;
const deepest = 64;

/**
 * Why the bytes of a body in a format that nobody here reads do not bound what it costs, as far as members tell that are
 * known from many formats; null where none is met. It looks everywhere, so that it rather finds too much.
 */
export function findUnbounded(body: unknown): UnboundedReason | null {
  return findWithin(body, 0);
}

function findWithin(value: unknown, depth: number): UnboundedReason | null {
  if (typeof value !== 'object' || value === null) return null;
  if (depth > deepest) return 'stored_content';
  if (Array.isArray(value)) {
    for (const one of value) {
      const found = typeof one === 'object' ? findWithin(one, depth + 1) : null;
      if (found !== null) return found;
    }
    return null;
  }
  for (const [name, member] of Object.entries(value)) {
    const found = judgeMember(name, member, depth) ?? findWithin(member, depth + 1);
    if (found !== null) return found;
  }
  return null;
}

function judgeMember(name: string, member: unknown, depth: number): UnboundedReason | null {
  if (member === null || member === undefined || member === false) return null;
  if (storedNames.has(name)) return 'stored_content';
  if (serverNames.has(name) && !(Array.isArray(member) && member.length === 0)) return 'server_tool';
  if (choiceNames.has(name) && member !== 1) return 'model_choice';
  if (name === 'tools' && readList(member).some((tool) => !isOwnTool(tool))) return 'server_tool';
  if (typeof member === 'string' && addressName.test(name) && address.test(member)) return 'remote_media';
  if (depth > 0) return null;
  if (name === 'models' && readList(member).length > 0) return 'model_choice';
  if (name === 'prompt' && isObject(member)) return 'stored_content';
  return name === 'prompt' && readList(member).length > 1 ? 'model_choice' : null;
}

/** A tool that runs at the caller: all of it is in the body. */
function isOwnTool(tool: unknown): boolean {
  if (!isObject(tool)) return true;
  if (tool.type !== undefined) return ownToolTypes.includes(tool.type);
  return ownToolMembers.some((name) => tool[name] !== undefined);
}
