import type { Asked, OfferedTool } from './asked.ts';
import type { Faults, UsageFault } from './faults.ts';
import { maxOutputTokens } from './prices.ts';
import { makeInstance } from './schema-instance.ts';
import { countTokens, seedOf, splitTokens, unitsPerToken } from './tokens.ts';

/** What the simulator will say, before any of it is sent. */
export interface Answer {
  id: string;
  model: string;
  createdMs: number;
  /** Text, or the arguments of the called tool, of each choice. */
  text: string;
  /** The text in the pieces in which a stream sends it. */
  pieces: readonly string[];
  /** Name of the called tool; null for text. */
  tool: string | null;
  finish: 'stop' | 'length' | 'tool';
  choices: number;
  inputTokens: number;
  cachedTokens: number;
  /** Of all choices together, hidden ones included. */
  outputTokens: number;
  /** Part of the output: thought before the first piece, and not shown. */
  reasoningTokens: number;
  /** Part of the output: what the pieces hold. */
  shownTokens: number;
  /** What is wrong with the usage that is told; null for nothing. */
  usageFault: UsageFault | null;
  /** Whether the answer tells its usage, and whether a stream was asked to. */
  tellUsage: boolean;
  includeUsage: boolean;
}

const sentences: readonly string[] = [
  'No model was asked, and nothing left this machine.',
  'The same question always gets the same answer here.',
  'Every word of this text was counted and charged to the ledger.',
  'Point the base URL at a real provider when you are ready.',
  'Limits and policies apply to this run as to any other.',
  'A token is four characters in this simulation.',
];

/** Composes the answer to a request: the same words for the same request, whenever it comes. */
export function composeAnswer(
  asked: Asked,
  faults: Faults,
  fixed: { id: string; nowMs: number; cachedTokens: number },
): Answer {
  const tool = chooseTool(asked);
  const cap = capOf(asked, faults);
  const reasoning = Math.min(faults.reasoning ?? 0, cap);
  const said = choosePieces(composeText(asked, tool), faults);
  const cut = faults.size === undefined && said.pieces.length > cap - reasoning;
  const pieces = cut ? said.pieces.slice(0, cap - reasoning) : said.pieces;
  const shown = (faults.size === undefined ? pieces.length : countTokens(faults.size)) * asked.choices;
  return {
    id: fixed.id,
    model: asked.model,
    createdMs: fixed.nowMs,
    text: cut ? pieces.join('') : said.text,
    pieces,
    tool: tool?.name ?? null,
    finish: cut ? 'length' : tool === null ? 'stop' : 'tool',
    choices: asked.choices,
    inputTokens: asked.inputTokens,
    cachedTokens: fixed.cachedTokens,
    outputTokens: shown + reasoning + (faults.overcap ?? 0),
    reasoningTokens: reasoning,
    shownTokens: shown,
    usageFault: faults.usage ?? null,
    tellUsage: faults.noUsage !== true,
    includeUsage: asked.includeUsage,
  };
}

/** The request's cap, or the model's; an answer of a stated length is bounded by the request alone. */
function capOf(asked: Asked, faults: Faults): number {
  const own = faults.tokens === undefined ? maxOutputTokens : Number.MAX_SAFE_INTEGER;
  return Math.min(asked.maxOutputTokens ?? own, own);
}

function choosePieces(text: string, faults: Faults): { text: string; pieces: readonly string[] } {
  if (faults.size !== undefined) {
    const filled = fill(faults.size);
    return { text: filled, pieces: [filled] };
  }
  const whole = faults.tokens === undefined ? text : fill(faults.tokens * unitsPerToken);
  return { text: whole, pieces: splitTokens(whole) };
}

/** The tool to call: the one demanded, or one that the last user text names (`call <tool>`, or its name alone). */
function chooseTool(asked: Asked): OfferedTool | null {
  const { tools, toolChoice, lastUserText } = asked;
  if (tools.length === 0 || toolChoice === 'none') return null;
  if (toolChoice.startsWith('tool:')) return tools.find((tool) => `tool:${tool.name}` === toolChoice) ?? null;
  if (asked.afterTool) return null;
  const text = lastUserText.toLowerCase();
  const named = tools.find((tool) => text.includes(tool.name.toLowerCase()));
  return named ?? (toolChoice === 'any' ? (tools[0] ?? null) : null);
}

function composeText(asked: Asked, tool: OfferedTool | null): string {
  if (tool !== null) return JSON.stringify(makeInstance(tool.schema) ?? {});
  if (asked.schema !== null) return JSON.stringify(makeInstance(asked.schema) ?? {});
  const said = /^\s*say[:\s]\s*(.+)$/is.exec(asked.lastUserText)?.[1];
  if (said !== undefined) return said;
  if (asked.afterTool) return 'The tool has answered, and this is what it said, told by the built-in simulator.';
  const seed = seedOf(asked.prompt);
  const words = asked.lastUserText.split(/\s+/, 100_000).filter((word) => word !== '').length;
  const picked = [0, 1, 2].map((turn) => sentences[(seed + turn * (1 + (seed % 5))) % sentences.length] ?? '');
  const counted = words === 1 ? 'one word' : `${words} words`;
  return [`This is the built-in simulator; your message had ${counted}.`, ...new Set(picked)].join(' ');
}

function fill(bytes: number): string {
  const line = `${sentences.join(' ')} `;
  return line.repeat(Math.ceil(bytes / line.length)).slice(0, bytes);
}
