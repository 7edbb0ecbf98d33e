import { isObject, type JsonObject, readCount } from '../json-fields.ts';
import { judgeUsage, keepMedia, type ReportedUsage, silentUsage } from '../usage.ts';

const noDetails: JsonObject = {};

/**
 * Normalises a `usage` object: `prompt_tokens` already includes cached and cache-write tokens, `completion_tokens`
 * already includes reasoning, and both include audio and images. Where `total_tokens` is larger than their sum, the rest is output too: some providers
 * (xAI, Gemini) bill reasoning that they leave out of `completion_tokens`. Anything but an object is silence.
 */
export function readChatUsage(raw: unknown): ReportedUsage {
  if (!isObject(raw)) return silentUsage;
  const ofInput = isObject(raw.prompt_tokens_details) ? raw.prompt_tokens_details : noDetails;
  const ofOutput = isObject(raw.completion_tokens_details) ? raw.completion_tokens_details : noDetails;
  const ofCached = isObject(ofInput.cached_tokens_details) ? ofInput.cached_tokens_details : noDetails;
  const figures = [
    raw.prompt_tokens,
    raw.completion_tokens,
    ofInput.cached_tokens ?? raw.prompt_cache_hit_tokens,
    ofInput.cache_write_tokens,
    ofOutput.reasoning_tokens,
    ofInput.audio_tokens,
    ofCached.audio_tokens,
    ofOutput.audio_tokens,
    ofInput.image_tokens,
    ofOutput.image_tokens,
  ];
  const [input = null, completion = null, cached = null, written = null, reasoning = null, ...media] =
    figures.map(readCount);
  const invalid = figures.some((figure) => figure !== undefined && figure !== null && readCount(figure) === null);
  const total = readCount(raw.total_tokens);
  const rest = input === null || total === null ? 0 : total - input - (completion ?? 0);
  return judgeUsage(
    {
      input_tokens: input,
      output_tokens: rest > 0 ? (completion ?? 0) + rest : completion,
      cached_input_tokens: cached,
      cache_write_tokens: written,
      reasoning_tokens: reasoning,
      ...keepMedia({
        input_audio_tokens: media[0] ?? null,
        cached_audio_tokens: media[1] ?? null,
        output_audio_tokens: media[2] ?? null,
        input_image_tokens: media[3] ?? null,
        output_image_tokens: media[4] ?? null,
      }),
    },
    { invalid, fell: false },
  );
}

/** The usage object of an answer or a chunk, wherever a provider of this format puts it; undefined where there is none. */
export function findChatUsage(answer: JsonObject): unknown {
  if (isObject(answer.usage)) return answer.usage;
  if (isObject(answer.x_groq) && isObject(answer.x_groq.usage)) return answer.x_groq.usage;
  const first: unknown = Array.isArray(answer.choices) ? answer.choices[0] : undefined;
  return isObject(first) && isObject(first.usage) ? first.usage : undefined;
}
