import { isObject } from './json-fields.ts';

const shared = 'model messages tools tool_choice max_tokens stream temperature top_p metadata service_tier';

/** Top-level names of a chat request that decide what is asked, told or allowed. */
export const chatNames: ReadonlySet<string> = new Set(
  `${shared} functions function_call max_completion_tokens n stream_options models user safety_identifier response_format
   prediction parallel_tool_calls plugins web_search_options search_parameters search_settings modalities audio
   reasoning reasoning_effort prompt preset conversation previous_response_id documents stop logprobs top_logprobs
   mcp_servers`.split(/\s+/),
);

/** The same of a messages request. */
export const messagesNames: ReadonlySet<string> = new Set(
  `${shared} system mcp_servers container context_management output_config output_format thinking stop_sequences speed
   inference_geo`.split(/\s+/),
);

/**
 * The first top-level member of a body whose name is a governed one but for case or space around it: some servers read it
 * for that one, and then it would pass unread. Null where there is none. `governed` is a dialect's `governedNames`.
 */
export function findNameVariants(body: unknown, governed: ReadonlySet<string>): string | null {
  if (!isObject(body)) return null;
  for (const name of Object.keys(body)) {
    // Upper case first: servers that fold names take letters such as the long s for those that they become.
    if (!governed.has(name) && governed.has(name.trim().toUpperCase().toLowerCase())) return name;
  }
  return null;
}
