import { isObject } from './json-fields.ts';

/**
 * Values that formats define, by the names of their members: not text. Any other value under these names is text, so that
 * nobody can hide one there.
 */
const definedValues: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  (
    [
      [['role'], 'system developer user assistant tool function model'],
      [
        ['type'],
        `string number integer boolean object array null text image_url input_audio audio image video video_url file function
         custom tool_use tool_result server_tool_use thinking redacted_thinking document search_result base64 url content
         ephemeral auto any none tool enabled disabled adaptive json_schema json_object grammar regex message error refusal
         input_text output_text url_citation char_location page_location content_block_location search_result_location
         web_search_result_location web_search_tool_result web_search_result web_fetch_tool_result code_execution_tool_result
         code_execution_result mcp_tool_use mcp_tool_result container_upload approximate allowed_tools summarized
         text_delta input_json_delta thinking_delta signature_delta citations_delta reasoning.text reasoning.summary
         reasoning.encrypted message_start message_delta message_stop content_block_start content_block_delta
         content_block_stop ping direct default`,
      ],
      [
        ['finish_reason', 'native_finish_reason', 'stop_reason', 'finish_details'],
        `stop length tool_calls content_filter function_call end_turn max_tokens stop_sequence tool_use pause_turn refusal
         model_context_window_exceeded error eos STOP MAX_TOKENS SAFETY completed`,
      ],
      [['service_tier'], 'auto default flex priority scale standard standard_only batch'],
      [['object'], 'chat.completion chat.completion.chunk text_completion list'],
    ] as const
  ).flatMap(([names, values]) => names.map((name) => [name, new Set(values.split(/\s+/))] as const)),
);

/** Members that hold what a provider made for itself, in base64. */
const sealedName = /^(?:thought_)?signature$|^encrypted_/;
const base64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** Whether a string is known to be no text: a value that its format defines, or base64 that only its provider reads. */
export function isDefinedValue(name: string | number, text: string, holder: unknown): boolean {
  if (typeof name === 'number') return false;
  if (definedValues.get(name)?.has(text) === true) return true;
  if (sealedName.test(name)) return base64.test(text);
  return name === 'data' && isObject(holder) && isSealed(holder.type) && base64.test(text);
}

function isSealed(type: unknown): boolean {
  return type === 'redacted_thinking' || type === 'reasoning.encrypted';
}
