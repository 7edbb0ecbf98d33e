import type { AnswerTexts, TextSpot } from '../dialects/dialect.ts';
import type { Contents } from './phase-texts.ts';
import { decodeText } from './request-texts.ts';
import type { Read } from './run.ts';

/** The texts of an answer, as detectors and scans see them. */
export interface AnswerContent {
  /** Where each text lies in the decoded body; null where nothing can be replaced. */
  spots: readonly TextSpot[] | null;
  repeats: AnswerTexts['repeats'];
  texts: readonly string[] | null;
  contents: Contents;
  /** Names of the tools called; null where they cannot be told. */
  tools: readonly string[] | null;
}

/** The texts of a whole answer, decoded. Null (it was too large or could not be decoded): all of them are missing. */
export function readAnswer(request: Read, body: Uint8Array | null): AnswerContent {
  if (body === null) return describeText(null);
  const text = decodeText(body);
  const read = text === null ? null : (request.dialect.readAnswerTexts?.(body, parseJson(text)) ?? null);
  if (read === null) return describeText(text);
  const { spots, repeats, tools } = read;
  const argumentTexts = spots.filter(({ part }) => part === 'tool_arguments').map((spot) => spot.text);
  const texts = spots.filter(({ part }) => part === 'text').map((spot) => spot.text);
  return {
    ...{ spots, repeats, tools, texts: spots.map((spot) => spot.text) },
    contents: new Map([
      ['answer.text', texts.join('\n')],
      ['answer.tool_arguments', argumentTexts.join('\n')],
    ]),
  };
}

/** Of an answer in no format that can be read, and of a streamed one, the text is all that is known. */
export function describeText(text: string | null, tools: readonly string[] | null = null): AnswerContent {
  const contents = new Map([
    ['answer.text', text],
    ['answer.tool_arguments', tools?.length === 0 ? '' : null],
  ]);
  return { spots: null, repeats: [], texts: text === null ? null : [text], contents, tools };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // An answer that is no JSON is its provider's matter; its text is looked at as it stands.
    return undefined;
  }
}
