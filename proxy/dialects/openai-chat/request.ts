import type { RequestFacts, RouteShape } from '../dialect.ts';
import { isObject, type JsonObject, readCap, readList, readText } from '../json-fields.ts';
import { boundInput, type MediaFindings, noteBase64, noteUnbounded, noteUrl, openFindings } from '../media.ts';
import { cleanRoute } from '../route.ts';
import { asksForHiddenOutput } from './hidden-output.ts';
import { readToolNames } from './tool-names.ts';
import { asksForUnlistedTier } from './unlisted-tier.ts';

/** Members that ask a provider for tools of its own. */
const providerTools = ['web_search_options', 'plugins', 'mcp_servers'] as const;

const deploymentPath = /\/deployments\/([^/]+)\/chat\/completions\/?$/i;

/**
 * Reads the neutral facts of a chat completion request. Where the path names a deployment (Azure) it is the model: the
 * provider routes by the path, whatever the body says. Never throws; what cannot be read is null.
 */
export function readChatRequest(input: { route: RouteShape; body: unknown; bytes: Uint8Array }): RequestFacts {
  const body: JsonObject = isObject(input.body) ? input.body : {};
  const findings = openFindings();
  const messages = Array.isArray(body.messages) ? body.messages : null;
  for (const message of messages ?? []) readMessage(message, findings);
  const { tools, count } = readTools(body, findings);
  readUnbounded(body, findings);
  // A lenient server reads `"5"` as 5 answers.
  if (isGiven(body.n) && readCap(body.n) === null) noteUnbounded(findings, 'model_choice');
  const choices = readCap(body.n) ?? 1;
  const streamed = body.stream === true;
  return {
    model: readDeployment(input.route.path) ?? readText(body.model),
    streamed,
    maxOutputTokens: readOutputCap(body, choices),
    choices,
    messageCount: messages?.length ?? null,
    tools: isObject(input.body) || input.bytes.length === 0 ? tools : null,
    ...boundInput(input.bytes, findings, {
      tools: count,
      vendorTools: 0,
      schema: isObject(body.response_format),
    }),
    hiddenOutput: asksForHiddenOutput(body),
    unlistedRate: asksForUnlistedTier(body),
    bodyActor: readText(body.user) ?? readText(body.safety_identifier),
    usageNotAsked: streamed && !(isObject(body.stream_options) && body.stream_options.include_usage === true),
  };
}

/**
 * The larger of the two caps where both are given, times the answers asked for; both are caps of one answer. One that is
 * written as no cap (a text, 0, -1) may be read by a lenient server, so that the other one is no bound.
 */
function readOutputCap(body: JsonObject, choices: number): number | null {
  const older = readCap(body.max_tokens);
  const newer = readCap(body.max_completion_tokens);
  if (older === null && newer === null) return null;
  if ((older === null && isGiven(body.max_tokens)) || (newer === null && isGiven(body.max_completion_tokens)))
    return null;
  return Math.min(Math.max(older ?? 0, newer ?? 0) * choices, Number.MAX_SAFE_INTEGER);
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/** The deployment that a path names (Azure), which then is the model whatever the body says; null where it names none. */
export function readDeployment(path: string): string | null {
  const segment = deploymentPath.exec(cleanRoute(path))?.[1];
  if (segment === undefined) return null;
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

function readMessage(message: unknown, findings: MediaFindings): void {
  if (!isObject(message)) return;
  if (isObject(message.audio) && message.audio.id !== undefined) noteUnbounded(findings, 'stored_content');
  if (Array.isArray(message.content)) for (const part of message.content) readPart(part, findings);
}

function readPart(part: unknown, findings: MediaFindings): void {
  if (!isObject(part) || part.type === 'text') return;
  for (const name of ['image_url', 'video_url', 'audio_url', 'document_url'] as const) {
    const given = part[name];
    noteUrl(findings, isObject(given) ? given.url : given);
  }
  if (isObject(part.input_audio)) {
    const { data } = part.input_audio;
    if (typeof data === 'string' && /^https?:/i.test(data)) noteUnbounded(findings, 'remote_media');
    else noteBase64(findings, 'audio/*', data);
  }
  const file = isObject(part.file) ? part.file : part;
  if (file.file_id !== undefined) noteUnbounded(findings, 'stored_content');
  noteUrl(findings, file.file_data);
}

/** Names of the tools, null where one has none, and how many the body itself defines. */
function readTools(body: JsonObject, findings: MediaFindings): { tools: string[] | null; count: number } {
  const own = [...readList(body.tools), ...readList(body.functions)];
  for (const tool of readList(body.tools)) if (runsAtProvider(tool)) noteUnbounded(findings, 'server_tool');
  const brought = providerTools.flatMap((name) => listProviderTools(name, body[name]));
  const named = own.map(readToolNames);
  const isKnown = named.every((names) => names.length > 0) && [body.tools, body.functions].every(isListOrNone);
  return { tools: isKnown ? [...named.flat(), ...brought] : null, count: own.length };
}

function runsAtProvider(tool: unknown): boolean {
  if (!isObject(tool) || isObject(tool.function) || isObject(tool.custom)) return false;
  return tool.type !== 'function' && tool.type !== 'custom';
}

/** Names for the tools that a provider brings along: those that it was asked for by, or the member that asks for them. */
function listProviderTools(member: string, value: unknown): string[] {
  if (!Array.isArray(value)) return isGiven(value) ? [member] : [];
  return value.map((one) => (isObject(one) ? (readText(one.id) ?? readText(one.name)) : readText(one)) ?? member);
}

function isListOrNone(value: unknown): boolean {
  return !isGiven(value) || Array.isArray(value);
}

function readUnbounded(body: JsonObject, findings: MediaFindings): void {
  for (const name of ['web_search_options', 'search_parameters', 'search_settings'] as const) {
    if (isObject(body[name])) noteUnbounded(findings, 'server_tool');
  }
  if (readList(body.plugins).length > 0) noteUnbounded(findings, 'server_tool');
  for (const name of ['previous_response_id', 'conversation', 'preset', 'prompt'] as const) {
    if (body[name] !== undefined && body[name] !== null) noteUnbounded(findings, 'stored_content');
  }
  if (readList(body.models).length > 0) noteUnbounded(findings, 'model_choice');
}
