import type { AnswerTexts, TextExtra, TextSpot } from '../dialects/dialect.ts';
import { readUnknownTexts } from '../dialects/index.ts';
import type { Contents } from './phase-texts.ts';
import type { Read } from './run.ts';

/** The texts of an answer, as detectors and scans see them. */
export interface AnswerContent {
  /** Where each text lies in the decoded body; null where nothing can be replaced. */
  spots: readonly TextSpot[] | null;
  repeats: AnswerTexts['repeats'];
  texts: readonly string[] | null;
  extras: readonly TextExtra[];
  contents: Contents;
  /** Names of the tools called; null where they cannot be told. */
  tools: readonly string[] | null;
}

/** The texts of a whole answer, decoded. Null (it was too large or could not be decoded): all of them are missing. */
export function readAnswer(request: Read, body: Uint8Array | null): AnswerContent {
  if (body === null) return describeText(null);
  const parsed = parseJson(body);
  const { readAnswerTexts } = request.dialect;
  // What its own format would hold back as too much is missing; any other text is read as one.
  if (readAnswerTexts === null || !isObject(parsed)) return describeText(readUnknownTexts(body));
  const read = readAnswerTexts(body, parsed);
  if (read === null) return describeText(null);
  const { spots, repeats, extras, tools } = read;
  const argumentTexts = spots.filter(({ part }) => part === 'tool_arguments');
  const isArguments = (index: number) => spots[index]?.part === 'tool_arguments';
  const decoded = extras.filter(({ of }) => of.length > 0 && of.every(isArguments));
  const texts = [...spots.filter(({ part }) => part === 'text'), ...extras.filter((extra) => !decoded.includes(extra))];
  return {
    ...{ spots, repeats, extras, tools, texts: spots.map(({ text }) => text) },
    contents: new Map([
      ['answer.text', joinTexts(texts)],
      ['answer.tool_arguments', joinTexts([...argumentTexts, ...decoded])],
    ]),
  };
}

function joinTexts(texts: readonly { text: string }[]): string {
  return texts.map(({ text }) => text).join('\n');
}

/** Of an answer in no format that can be read, and of a streamed one, the text is all that is known. */
export function describeText(text: string | null, tools: readonly string[] | null = null): AnswerContent {
  const contents = new Map([
    ['answer.text', text],
    ['answer.tool_arguments', tools?.length === 0 ? '' : null],
  ]);
  return { spots: null, repeats: [], extras: [], texts: text === null ? null : [text], contents, tools };
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString());
  } catch {
    // An answer that is no JSON is its provider's matter; its text is looked at as it stands.
    return undefined;
  }
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}
