import type { RequestFacts, RouteShape } from '../dialect.ts';
import { isObject, type JsonObject, readCap, readList, readText } from '../json-fields.ts';
import { boundInput, type MediaFindings, noteBase64, noteUnbounded, noteUrl, openFindings } from '../media.ts';

/** Deepest nesting of content blocks that is looked into; the API itself allows three. */
const maxBlockDepth = 5;
/** Tools that run at the caller: their input is all in the body. Every other named type runs at the provider. */
const clientTool = /^(?:custom|bash_|text_editor_|computer_|memory_)/;

/** Reads the neutral facts of a messages request. Never throws; what cannot be read is null. */
export function readMessagesRequest(input: { route: RouteShape; body: unknown; bytes: Uint8Array }): RequestFacts {
  const body: JsonObject = isObject(input.body) ? input.body : {};
  const findings = openFindings();
  const messages = Array.isArray(body.messages) ? body.messages : null;
  for (const message of messages ?? []) if (isObject(message)) readBlocks(message.content, findings, 0);
  readBlocks(body.system, findings, 0);
  const { tools, count, vendorTools } = readTools(body, findings);
  if (readList(body.mcp_servers).length > 0 || isObject(body.container)) noteUnbounded(findings, 'server_tool');
  if (typeof body.container === 'string') noteUnbounded(findings, 'stored_content');
  if (isObject(body.context_management)) noteUnbounded(findings, 'server_tool');
  const schema = isObject(body.output_config) || isObject(body.output_format);
  return {
    model: readText(body.model),
    streamed: body.stream === true,
    maxOutputTokens: readCap(body.max_tokens),
    choices: 1,
    messageCount: messages?.length ?? null,
    tools: isObject(input.body) || input.bytes.length === 0 ? tools : null,
    ...boundInput(input.bytes, findings, { tools: count, vendorTools, schema }),
    hiddenOutput: asksForThinking(body),
    unlistedRate: asksForAnotherRate(body),
    bodyActor: isObject(body.metadata) ? readText(body.metadata.user_id) : null,
    usageNotAsked: false,
  };
}

/** A fast mode, or a region where inference must stay, is billed at a multiple of the listed rates. */
function asksForAnotherRate(body: JsonObject): boolean {
  const listed = { service_tier: ['auto', 'standard_only'], speed: ['standard'], inference_geo: ['global'] };
  return Object.entries(listed).some(([name, values]) => {
    const given = body[name];
    return given !== undefined && given !== null && !values.includes(readText(given) ?? '');
  });
}

/** Thinking is billed in full and shown as a summary, encrypted, or not at all. */
function asksForThinking(body: JsonObject): boolean {
  if (isObject(body.thinking)) return body.thinking.type !== 'disabled';
  return isObject(body.output_config) && body.output_config.effort !== undefined;
}

function readBlocks(content: unknown, findings: MediaFindings, depth: number): void {
  if (!Array.isArray(content) || depth > maxBlockDepth) return;
  for (const block of content) {
    if (!isObject(block) || block.type === 'text') continue;
    if (block.type === 'container_upload') noteUnbounded(findings, 'stored_content');
    if (isObject(block.source)) readSource(block.source, findings, depth);
    readBlocks(block.content, findings, depth + 1);
  }
}

function readSource(source: JsonObject, findings: MediaFindings, depth: number): void {
  if (source.type === 'url') noteUrl(findings, source.url);
  else if (source.type === 'file') noteUnbounded(findings, 'stored_content');
  else if (source.type === 'base64') noteBase64(findings, readText(source.media_type) ?? '', source.data);
  readBlocks(source.content, findings, depth + 1);
}

/** Names of the tools, null where one has none; how many the body itself defines, and those of them that the vendor does. */
function readTools(
  body: JsonObject,
  findings: MediaFindings,
): { tools: string[] | null; count: number; vendorTools: number } {
  const own = readList(body.tools);
  let vendorTools = 0;
  for (const tool of own) {
    const type = isObject(tool) ? readText(tool.type) : null;
    if (type !== null && type !== 'custom') vendorTools++;
    if (type !== null && !clientTool.test(type)) noteUnbounded(findings, 'server_tool');
  }
  const named = own.map(readMessageToolNames);
  const servers = readList(body.mcp_servers).map((one) => (isObject(one) ? readText(one.name) : null) ?? 'mcp_servers');
  const isKnown =
    named.every((names) => names.length > 0) && isListOrNone(body.tools) && isListOrNone(body.mcp_servers);
  return { tools: isKnown ? [...named.flat(), ...servers] : null, count: own.length, vendorTools };
}

/** All names that a tool could be taken to have: its name, and that of a vendor's tool by its type. */
export function readMessageToolNames(tool: unknown): string[] {
  if (!isObject(tool)) return [];
  const places = [tool, tool.function, tool.custom];
  const names = places.flatMap((place) => (isObject(place) ? (readText(place.name) ?? []) : []));
  const type = readText(tool.type);
  if (names.length === 0) return type === null ? [] : [type];
  return [...new Set(names)];
}

function isListOrNone(value: unknown): boolean {
  return value === undefined || value === null || Array.isArray(value);
}
