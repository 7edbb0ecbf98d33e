import { type JsonObject, readCap } from '../json-fields.ts';

const capNames = ['max_tokens', 'max_completion_tokens'] as const;
/** Models that refuse `max_tokens`; all other servers of this format know it, and many know nothing newer. */
const newerCapOnly = /(?:^|[/.])(?:o\d|gpt-[5-9]|codex|computer-use)/i;

/**
 * The members, with their JSON texts, by which a chat request to `model` gets an output cap of `tokens` an answer: in
 * place of each larger cap that is there, or as the one that the model takes. A cap that is written as none (a text, 0,
 * -1) is one that a lenient server reads after all, so it is replaced too. Empty where every cap is at most that already.
 */
export function planChatCap(body: JsonObject, model: unknown, tokens: number): Map<string, string> {
  const caps = capNames.map((name) => readCap(body[name]));
  const chosen = caps.every((cap) => cap === null) ? chooseName(body, model) : null;
  const members = new Map<string, string>();
  for (const [index, name] of capNames.entries()) {
    const cap = caps[index] ?? null;
    const isAbsent = body[name] === undefined || body[name] === null;
    if (name !== chosen && (cap === null ? isAbsent : cap <= tokens)) continue;
    members.set(name, `${tokens}`);
  }
  return members;
}

function chooseName(body: JsonObject, model: unknown): (typeof capNames)[number] {
  if (Object.hasOwn(body, 'max_completion_tokens')) return 'max_completion_tokens';
  if (Object.hasOwn(body, 'max_tokens')) return 'max_tokens';
  const isNewer = typeof model === 'string' && newerCapOnly.test(model);
  return isNewer || typeof body.reasoning_effort === 'string' ? 'max_completion_tokens' : 'max_tokens';
}
