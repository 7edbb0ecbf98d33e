import { countInput, isObject, type Unanswerable } from '../asked.ts';
import { splitModel } from '../faults.ts';
import { seedOf } from '../tokens.ts';

/** A request for embeddings in neutral form. */
export interface AskedEmbeddings {
  model: string;
  faultSuffix: string;
  prompt: string;
  inputTokens: number;
  render(): string;
}

const defaultDimensions = 16;
const maxDimensions = 4096;

/** Reads a request for OpenAI embeddings. Vectors depend on the text alone; their length is 16 unless asked otherwise. */
export function readEmbeddings(body: unknown): AskedEmbeddings | Unanswerable {
  if (!isObject(body)) return { problem: 'The body is no JSON object.' };
  if (typeof body.model !== 'string' || body.model === '') return { problem: 'you must provide a model parameter' };
  const inputs = (Array.isArray(body.input) ? body.input : [body.input]).map((input) =>
    typeof input === 'string' ? input : JSON.stringify(input ?? ''),
  );
  const { model, suffix } = splitModel(body.model);
  const prompt = inputs.join('\n');
  const inputTokens = countInput(prompt, 0);
  const asked = typeof body.dimensions === 'number' ? Math.trunc(body.dimensions) : defaultDimensions;
  const dimensions = Math.min(maxDimensions, Math.max(1, asked));
  const encode = body.encoding_format === 'base64' ? toBase64 : (vector: Float32Array) => [...vector];
  return {
    model,
    faultSuffix: suffix,
    prompt,
    inputTokens,
    render: () =>
      JSON.stringify({
        object: 'list',
        data: inputs.map((text, index) => ({
          object: 'embedding',
          index,
          embedding: encode(makeVector(text, dimensions)),
        })),
        model,
        usage: { prompt_tokens: inputTokens, total_tokens: inputTokens },
      }),
  };
}

function makeVector(text: string, dimensions: number): Float32Array {
  const seed = seedOf(text);
  const raw = Float32Array.from({ length: dimensions }, (_, index) => Math.sin(seed + index * 12.9898));
  const length = Math.hypot(...raw) || 1;
  return raw.map((value) => value / length);
}

function toBase64(vector: Float32Array): string {
  return Buffer.from(vector.buffer).toString('base64');
}
