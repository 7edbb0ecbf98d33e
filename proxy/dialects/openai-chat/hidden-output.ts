import { isObject, type JsonObject, readList } from '../json-fields.ts';

/** Switches by which providers of this format are asked to think; `false`, `none` and `disabled` switch it off. */
const switches = [
  'reasoning',
  'reasoning_effort',
  'include_reasoning',
  'enable_thinking',
  'thinking',
  'thinking_budget',
  'thinking_config',
] as const;

/**
 * Whether a chat request asks for output whose tokens its answer does not tell: reasoning, a prediction of which the
 * wrong parts are billed, speech, images. That a model reasons unasked is a fact of its price, not of the request.
 */
export function asksForHiddenOutput(body: JsonObject): boolean {
  if (isObject(body.prediction) || isObject(body.audio)) return true;
  if (readList(body.modalities).some((modality) => modality !== 'text')) return true;
  const nested = isObject(body.extra_body) ? body.extra_body : {};
  const google = isObject(nested.google) ? nested.google : {};
  const template = isObject(body.chat_template_kwargs) ? body.chat_template_kwargs : {};
  return [body, nested, google, template].some((place) => switches.some((name) => isOn(place[name])));
}

function isOn(value: unknown): boolean {
  if (isObject(value)) return value.enabled !== false && value.effort !== 'none' && value.type !== 'disabled';
  return value !== undefined && value !== null && value !== false && value !== 0 && value !== 'none';
}
