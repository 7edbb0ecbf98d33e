import type { PolicyPhase } from '../../storage/schema/snapshot.ts';
import { detectorIds } from '../detectors/index.ts';
import type { Unit } from './kinds.ts';

export interface FactDefinition {
  type: 'boolean' | 'integer' | 'text' | 'texts' | 'content';
  /** What an integer counts; null for other types, and for integers that have no unit. */
  unit: Unit | null;
  /** First phase in which the fact is known. */
  phase: PolicyPhase;
  meaning: string;
}

type Row = readonly [name: string, type: `${FactDefinition['type']}` | Unit, meaning: string];

const requestRows: readonly Row[] = [
  ['request.model', 'text', 'model id as the caller wrote it'],
  ['request.provider', 'text', 'slug of the provider'],
  ['request.dialect', 'text', 'wire format, e.g. openai-chat'],
  ['request.route', 'text', 'path after the provider slug'],
  ['request.method', 'text', 'HTTP method, upper case'],
  ['request.session', 'text', 'session id that the caller gave'],
  ['request.stream', 'boolean', 'whether a streamed answer was asked for'],
  ['request.max_output_tokens', 'tokens', 'output cap in the request'],
  ['request.message_count', 'count', 'messages in the request'],
  ['request.tool_count', 'count', 'tools offered in the request'],
  ['request.tools', 'texts', 'names of the tools offered, in order'],
  ['request.images', 'count', 'media parts in the request'],
  [
    'request.has_unbounded',
    'boolean',
    'whether it names what its size does not bound: remote media, stored conversations',
  ],
  ['request.body_bytes', 'bytes', 'size of the body'],
  ['request.estimated_input_tokens', 'tokens', 'ceil(bytes / 4) outside base64 media, an estimate'],
  ['request.text', 'content', 'every text in the request, in order: system, messages, tools, names, identifiers'],
  ['request.system_text', 'content', 'system instructions'],
  ['request.user_text', 'content', 'the last message of the user'],
  ['principal.key_id', 'text', 'public id of the key'],
  ['principal.key_name', 'text', 'name of the key'],
  ['principal.sub_tenant', 'text', 'slug of the sub-tenant'],
  ['principal.actor_type', 'text', 'human, service or system'],
  ['principal.actor_id', 'text', 'id of the actor'],
  ['principal.actor_source', 'text', 'verified, asserted or inferred'],
  ['price.worst_case_nano_usd', 'nano_usd', 'what the request as it came may cost at most, at most 9e15'],
  ...detectorIds.map(
    (id): Row => [
      `detectors.${id}`,
      'count',
      id === 'dangerous_tools' ? 'dangerous tools and arguments' : `findings of ${id} in request.text`,
    ],
  ),
];

const admitRows: readonly Row[] = [
  ['readings.highest_percent', 'percent', 'use of the limit that is nearest its ceiling, this run included'],
  ['session.runs', 'count', 'runs of this session in the last hour, this one included'],
  ['session.same_prompt', 'count', 'how many of those had this prompt, this one included'],
  ['session.runs_last_minute', 'count', 'runs of this session in the last minute, this one included'],
];

const responseRows: readonly Row[] = [
  ['answer.status', 'integer', 'HTTP status of the answer'],
  ['answer.model', 'text', 'model id in the answer'],
  ['answer.finish_reason', 'text', 'why the answer ended, as the provider wrote it'],
  ['answer.text', 'content', 'every text in the answer but the arguments of tools'],
  ['answer.tools', 'texts', 'names of the tools called, in order'],
  ['answer.tool_arguments', 'content', 'arguments of all tool calls'],
  ['answer.input_tokens', 'tokens', 'input tokens used'],
  ['answer.output_tokens', 'tokens', 'output tokens used'],
  ['answer.cost_nano_usd', 'nano_usd', 'what the run cost'],
  ['answer.bytes', 'bytes', 'size of the answer'],
  ['answer.latency_ms', 'milliseconds', 'from the request on the wire to the end of the answer'],
  ...detectorIds.map((id): Row => [`answer.detectors.${id}`, 'count', `findings of ${id} in the answer`]),
];

const streamRows: readonly Row[] = [
  ['stream.text', 'content', 'the last 4,096 characters of decoded output'],
  ['stream.characters', 'characters', 'decoded output so far'],
  ['stream.tools', 'texts', 'names of the tool calls begun so far, in order'],
  ['stream.ended', 'boolean', 'whether the stream has ended'],
  ...detectorIds.map((id): Row => [`stream.detectors.${id}`, 'count', `findings of ${id} in stream.text`]),
];

function define(phase: PolicyPhase, rows: readonly Row[]): [string, FactDefinition][] {
  return rows.map(([name, kind, meaning]) => [name, { ...readKind(kind), phase, meaning }]);
}

function readKind(kind: Row[1]): Pick<FactDefinition, 'type' | 'unit'> {
  switch (kind) {
    case 'boolean':
    case 'integer':
    case 'text':
    case 'texts':
    case 'content':
      return { type: kind, unit: null };
    default:
      return { type: 'integer', unit: kind };
  }
}

/** The closed table of facts, beside the families `tags.`, `readings.percent.` and `readings.remaining.`. */
export const factTable: ReadonlyMap<string, FactDefinition> = new Map([
  ...define('request', requestRows),
  ...define('admit', admitRows),
  ...define('response', responseRows),
  ...define('stream', streamRows),
]);
