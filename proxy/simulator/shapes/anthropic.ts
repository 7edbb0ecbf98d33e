import type { Answer } from '../answer.ts';
import {
  type Asked,
  asCap,
  asList,
  countInput,
  isObject,
  type JsonObject,
  readContent,
  type Unanswerable,
} from '../asked.ts';
import { splitModel } from '../faults.ts';
import { tellAtPiece, tellUsage } from '../told-usage.ts';
import type { Shape } from './shape.ts';

const errorTypes: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  529: 'overloaded_error',
};

/** Anthropic messages. */
export const anthropicShape: Shape = {
  idPrefix: 'msg_',
  readAsked: (body) => {
    const asked = readPrompt(body);
    if ('problem' in asked || asked.maxOutputTokens !== null) return asked;
    return { problem: 'max_tokens: Field required' };
  },
  renderWhole(answer) {
    const block =
      answer.tool === null
        ? { type: 'text', text: answer.text }
        : { ...toolUse(answer), input: parseInput(answer.text) };
    const body = { ...message(answer), content: [block], stop_reason: finishOf(answer), stop_sequence: null };
    return JSON.stringify(answer.tellUsage ? { ...body, usage: usageOf(answer, answer.outputTokens) } : body);
  },
  renderOpening(answer) {
    const opened = { ...message(answer), content: [], stop_reason: null, stop_sequence: null };
    const start = answer.tellUsage ? { ...opened, usage: usageOf(answer, 1) } : opened;
    const content_block = answer.tool === null ? { type: 'text', text: '' } : { ...toolUse(answer), input: {} };
    return [
      event('message_start', { message: start }),
      event('content_block_start', { index: 0, content_block }),
      event('ping', {}),
    ].join('');
  },
  preparePiece(answer) {
    const mark = '\u0001';
    const delta =
      answer.tool === null ? { type: 'text_delta', text: mark } : { type: 'input_json_delta', partial_json: mark };
    const [before, after] = event('content_block_delta', { index: 0, delta }).split(JSON.stringify(mark));
    return (piece, _choice, index) => {
      const output = tellAtPiece(answer, index);
      const usage = output === null ? '' : event('message_delta', { delta: {}, usage: usageOf(answer, output) });
      return `${before}${JSON.stringify(piece)}${after}${usage}`;
    };
  },
  renderClosing(answer) {
    const delta = { stop_reason: finishOf(answer), stop_sequence: null };
    const usage = usageOf(answer, answer.outputTokens);
    return [
      event('content_block_stop', { index: 0 }),
      event('message_delta', answer.tellUsage ? { delta, usage } : { delta }),
      event('message_stop', {}),
    ].join('');
  },
  renderError({ status, message: text, requestId }) {
    const error = { type: errorTypes[status] ?? 'api_error', message: text };
    return JSON.stringify({ type: 'error', error, request_id: requestId });
  },
};

/** Reads all but the cap, which only `count_tokens` can do without. */
export function readPrompt(body: unknown): Asked | Unanswerable {
  if (!isObject(body)) return { problem: 'The body is no JSON object.' };
  if (typeof body.model !== 'string' || body.model === '') return { problem: 'model: Field required' };
  if (!Array.isArray(body.messages)) return { problem: 'messages: Field required' };
  const { model, suffix } = splitModel(body.model);
  const messages = body.messages.filter(isObject);
  const contents = messages.map((one) => ({ role: one.role, ...readContent(one.content) }));
  const system = readContent(body.system).text;
  const offered = body.tools === undefined ? '' : JSON.stringify(body.tools);
  const prompt = [system, ...contents.map(({ text }) => text), offered].filter((text) => text !== '').join('\n');
  const attachments = contents.reduce((sum, content) => sum + content.attachments, 0);
  return {
    model,
    faultSuffix: suffix,
    prompt,
    inputTokens: countInput(prompt, attachments),
    lastUserText: contents.findLast(({ role }) => role === 'user')?.text ?? '',
    afterTool: asList(messages.at(-1)?.content).some((block) => isObject(block) && block.type === 'tool_result'),
    tools: readTools(body),
    toolChoice: readToolChoice(body.tool_choice),
    schema: readSchema(body),
    maxOutputTokens: asCap(body.max_tokens),
    choices: 1,
    stream: body.stream === true,
    includeUsage: true,
  };
}

function readTools(body: JsonObject): { name: string; schema: unknown }[] {
  return asList(body.tools).flatMap((tool) =>
    isObject(tool) && typeof tool.name === 'string' ? [{ name: tool.name, schema: tool.input_schema }] : [],
  );
}

function readToolChoice(choice: unknown): string {
  if (!isObject(choice)) return 'auto';
  return choice.type === 'tool' ? `tool:${String(choice.name)}` : String(choice.type);
}

function readSchema(body: JsonObject): unknown {
  const format = isObject(body.output_config) ? body.output_config.format : body.output_format;
  return isObject(format) ? (format.schema ?? null) : null;
}

/** Usage in Anthropic's words: what was cached stands beside the input, not in it. */
function usageOf(answer: Answer, outputTokens: number): object {
  const { input, cached, output, reasoning } = tellUsage(answer, outputTokens);
  return {
    input_tokens: input - cached,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: cached,
    ...(output === null ? {} : { output_tokens: output }),
    ...(reasoning === 0 ? {} : { output_tokens_details: { thinking_tokens: reasoning } }),
  };
}

function message(answer: Answer): object {
  return { id: answer.id, type: 'message', role: 'assistant', model: answer.model };
}

function toolUse(answer: Answer): object {
  return { type: 'tool_use', id: `toolu_${answer.id.slice(4)}`, name: answer.tool };
}

/** Arguments that a token cap has cut off are no JSON any more; then there are none. */
function parseInput(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

function finishOf(answer: Answer): string {
  return { stop: 'end_turn', length: 'max_tokens', tool: 'tool_use' }[answer.finish];
}

function event(type: string, body: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...body })}\n\n`;
}
