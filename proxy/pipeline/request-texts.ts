import type { TextExtra, TextSpot } from '../dialects/dialect.ts';
import { readUnknownTexts } from '../dialects/index.ts';
import type { Contents, RequestTexts } from './phase-texts.ts';
import type { Read } from './run.ts';

/**
 * Reads the texts of a request as it came. Of a format without a reader the whole body is one text, where it is text at all;
 * a body that is neither is missing, and so are its facts.
 */
export function readTexts(request: Read): RequestTexts {
  const { dialect, plain, parsed, facts } = request;
  const read = dialect.readRequestTexts?.(plain, parsed) ?? null;
  if (read === null) return describeWhole(dialect.readRequestTexts === null ? readUnknownTexts(plain) : null);
  const { spots, extras, tools } = read;
  const argumentTexts = spots.filter(({ part }) => part === 'tool_arguments').map(({ text }) => text);
  return {
    spots,
    brought: {
      ...{ phase: 'request', prefix: 'detectors.', texts: spots.map(({ text }) => text), extras },
      contents: contentsOf(spots, extras),
      tools: facts.tools === null ? null : { names: [...facts.tools, ...tools], argumentTexts },
    },
    prompt: joinTexts(lastMessage(spots.filter(({ role }) => role !== 'system' && role !== 'other'))),
  };
}

function describeWhole(text: string | null): RequestTexts {
  const contents: Contents = new Map([
    ['request.text', text],
    ['request.system_text', null],
    ['request.user_text', null],
  ]);
  const texts = text === null ? null : [text];
  return {
    spots: null,
    brought: { phase: 'request', prefix: 'detectors.', texts, extras: [], contents, tools: null },
    prompt: text,
  };
}

function contentsOf(spots: readonly TextSpot[], extras: readonly TextExtra[]): Contents {
  const texts = spots.filter(({ part }) => part === 'text');
  const join = (some: readonly TextSpot[]) => joinWithExtras(spots, some, extras);
  return new Map([
    ['request.text', joinTexts([...spots, ...extras])],
    ['request.system_text', join(texts.filter(({ role }) => role === 'system'))],
    ['request.user_text', join(lastMessage(texts.filter(({ role }) => role === 'user')))],
  ]);
}

/** Some of the spots, and the extras that are made of nothing else. */
function joinWithExtras(spots: readonly TextSpot[], some: readonly TextSpot[], extras: readonly TextExtra[]): string {
  const chosen = new Set(some);
  const isOfThese = (index: number) => {
    const spot = spots[index];
    return spot !== undefined && chosen.has(spot);
  };
  return joinTexts([...some, ...extras.filter(({ of }) => of.length > 0 && of.every(isOfThese))]);
}

function lastMessage(spots: readonly TextSpot[]): readonly TextSpot[] {
  const last = spots.at(-1)?.message;
  return spots.filter(({ message }) => message === last);
}

function joinTexts(texts: readonly { text: string }[]): string {
  return texts.map(({ text }) => text).join('\n');
}
