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

const maxChoices = 128;

const errorTypes: Readonly<Record<number, readonly [type: string, code: string | null]>> = {
  400: ['invalid_request_error', null],
  401: ['invalid_request_error', 'invalid_api_key'],
  404: ['invalid_request_error', 'model_not_found'],
  413: ['invalid_request_error', 'request_too_large'],
  429: ['requests', 'rate_limit_exceeded'],
};

/** OpenAI chat completions. */
export const openaiShape: Shape = {
  idPrefix: 'chatcmpl-',
  readAsked,
  renderWhole(answer) {
    const choices = Array.from({ length: answer.choices }, (_, index) => ({
      index,
      message: wholeMessage(answer),
      logprobs: null,
      finish_reason: finishOf(answer),
    }));
    const body = { id: answer.id, object: 'chat.completion', ...common(answer), choices, service_tier: 'default' };
    return JSON.stringify(answer.tellUsage ? { ...body, usage: usageOf(answer) } : body);
  },
  renderOpening(answer) {
    const delta =
      answer.tool === null
        ? { role: 'assistant', content: '', refusal: null }
        : { role: 'assistant', content: null, tool_calls: [{ index: 0, ...toolCall(answer, '') }] };
    return eachChoice(answer, (index) => chunk(answer, [{ index, delta, logprobs: null, finish_reason: null }]));
  },
  preparePiece(answer) {
    const mark = '\u0001';
    const delta =
      answer.tool === null ? { content: mark } : { tool_calls: [{ index: 0, function: { arguments: mark } }] };
    const choiceOf = (index: number) => [{ index, delta, logprobs: null, finish_reason: null }];
    const split = (choice: number, usage: object | null) =>
      chunk(answer, choiceOf(choice), usage).split(JSON.stringify(mark));
    const frames = Array.from({ length: answer.choices }, (_, choice) => split(choice, null));
    return (piece, choice, index) => {
      const output = tellAtPiece(answer, index);
      const frame = output === null ? frames[choice] : split(choice, usageOf(answer, output));
      return `${frame?.[0]}${JSON.stringify(piece)}${frame?.[1]}`;
    };
  },
  renderClosing(answer) {
    const finish_reason = finishOf(answer);
    const last = eachChoice(answer, (index) => chunk(answer, [{ index, delta: {}, logprobs: null, finish_reason }]));
    const asked = answer.includeUsage && answer.tellUsage;
    return `${last}${asked ? chunk(answer, [], usageOf(answer)) : ''}data: [DONE]\n\n`;
  },
  renderError({ status, message }) {
    const [type, code] = errorTypes[status] ?? ['server_error', null];
    return JSON.stringify({ error: { message, type, param: null, code } });
  },
};

/** Usage in OpenAI's words. */
function usageOf(answer: Answer, outputTokens = answer.outputTokens): object {
  const { input, cached, output, reasoning } = tellUsage(answer, outputTokens);
  if (output === null) return { prompt_tokens: input };
  return {
    prompt_tokens: input,
    completion_tokens: output,
    total_tokens: input + output,
    prompt_tokens_details: { cached_tokens: cached, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: reasoning, audio_tokens: 0 },
  };
}

function readAsked(body: unknown): Asked | Unanswerable {
  if (!isObject(body)) return { problem: 'The body is no JSON object.' };
  if (typeof body.model !== 'string' || body.model === '') return { problem: 'you must provide a model parameter' };
  if (!Array.isArray(body.messages)) return { problem: "Missing required parameter: 'messages'." };
  const { model, suffix } = splitModel(body.model);
  const messages = body.messages.filter(isObject);
  const contents = messages.map((message) => ({ role: message.role, ...readContent(message.content) }));
  const calls = messages.map((message) => (message.tool_calls === undefined ? '' : JSON.stringify(message.tool_calls)));
  const offered = body.tools === undefined ? '' : JSON.stringify(body.tools);
  const prompt = [...contents.map(({ text }) => text), ...calls, offered].filter((text) => text !== '').join('\n');
  const attachments = contents.reduce((sum, content) => sum + content.attachments, 0);
  return {
    model,
    faultSuffix: suffix,
    prompt,
    inputTokens: countInput(prompt, attachments),
    lastUserText: contents.findLast(({ role }) => role === 'user')?.text ?? '',
    afterTool: contents.at(-1)?.role === 'tool',
    tools: readTools(body),
    toolChoice: readToolChoice(body.tool_choice),
    schema: readSchema(body.response_format),
    maxOutputTokens: asCap(body.max_completion_tokens) ?? asCap(body.max_tokens),
    choices: Math.min(asCap(body.n) ?? 1, maxChoices),
    stream: body.stream === true,
    includeUsage: isObject(body.stream_options) && body.stream_options.include_usage === true,
  };
}

function readTools(body: JsonObject): { name: string; schema: unknown }[] {
  return asList(body.tools)
    .map((tool) => (isObject(tool) && isObject(tool.function) ? tool.function : {}))
    .flatMap((own) => (typeof own.name === 'string' ? [{ name: own.name, schema: own.parameters }] : []));
}

function readToolChoice(choice: unknown): string {
  if (choice === 'none') return 'none';
  if (choice === 'required') return 'any';
  return isObject(choice) && isObject(choice.function) ? `tool:${String(choice.function.name)}` : 'auto';
}

function readSchema(format: unknown): unknown {
  if (!isObject(format)) return null;
  if (format.type === 'json_object') return { properties: { answer: { type: 'string' } } };
  return isObject(format.json_schema) ? (format.json_schema.schema ?? null) : null;
}

function wholeMessage(answer: Answer): object {
  if (answer.tool === null) return { role: 'assistant', content: answer.text, refusal: null };
  return { role: 'assistant', content: null, tool_calls: [toolCall(answer, answer.text)], refusal: null };
}

function toolCall(answer: Answer, text: string): object {
  return { id: `call_${answer.id.slice(9)}`, type: 'function', function: { name: answer.tool, arguments: text } };
}

function finishOf(answer: Answer): string {
  return answer.finish === 'tool' ? 'tool_calls' : answer.finish;
}

function common(answer: Answer): object {
  return { created: Math.floor(answer.createdMs / 1000), model: answer.model, system_fingerprint: 'fp_simulator' };
}

/** With `include_usage` every chunk has a usage member, which is null in all but the last. */
function chunk(answer: Answer, choices: readonly object[], usage: object | null = null): string {
  const body = { id: answer.id, object: 'chat.completion.chunk', ...common(answer), choices };
  const told = usage !== null || (answer.includeUsage && answer.tellUsage);
  return `data: ${JSON.stringify(told ? { ...body, usage } : body)}\n\n`;
}

function eachChoice(answer: Answer, render: (index: number) => string): string {
  return Array.from({ length: answer.choices }, (_, index) => render(index)).join('');
}
