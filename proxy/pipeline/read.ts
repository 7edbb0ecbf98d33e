import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib';
import { HocError } from '../../storage/schema/errors.ts';
import { findNameVariants, recognizeDialect } from '../dialects/index.ts';
import { isName, readActor } from './caller-names.ts';
import { hasDuplicateKeys } from './duplicate-keys.ts';
import { closeStage, type Identified, isRefusal, type Read, type Refusal, type Run, refuse } from './run.ts';

const maxModelLength = 512;
const maxInflation = 20;
const spareBytes = 256 * 1024;

/**
 * Stage 2: the body, read once, and the dialect's neutral facts of it.
 *
 * A body that is not JSON is forwarded as it is, unless its format is known and policies are enforced on it: providers read
 * more than one parser does, and what is not read here would pass them. Refuses (400) also a body above the proxy's size, one
 * that breaks off, one whose `Content-Encoding` cannot be undone, and one that two readers could read differently: what
 * cannot be read cannot be governed.
 */
export async function read(run: Run, identified: Identified): Promise<Read | Refusal> {
  const result = await readBody(run, identified);
  closeStage(run, 'read', isRefusal(result) ? `refused:${result.code}` : result.dialect.id);
  return result;
}

async function readBody(run: Run, identified: Identified): Promise<Read | Refusal> {
  try {
    const { maxBodyBytes } = run.gate.limits;
    const body = await run.call.readBody(maxBodyBytes);
    const bytes = decodeBody(body, identified.headers.contentEncoding, maxBodyBytes);
    const text = readText(bytes, identified.headers.contentType);
    const parsed = text === null ? undefined : parseJson(text);
    if (text !== null && parsed !== undefined && hasDuplicateKeys(text, parsed)) {
      return refuse('request_invalid', 'The body names a key twice in one object; send each key once.');
    }
    const route = identified.route;
    const dialect = recognizeDialect({ route, body: parsed, allowed: identified.provider.dialects });
    if (identified.tenant.enforces && bytes.length > 0 && dialect.change !== null && !isObject(parsed)) {
      const message = 'The body of this route must be one JSON object in UTF-8, without a byte order mark.';
      return refuse('request_invalid', message);
    }
    const variant = identified.tenant.enforces ? findNameVariants(parsed, dialect.governedNames) : null;
    if (variant !== null) {
      return refuse(
        'request_invalid',
        'The body has a name that differs from one of its format by case or space alone.',
      );
    }
    const facts = dialect.readRequest({ route, body: parsed, bytes });
    if (facts.model !== null && !isModelName(facts.model)) {
      return refuse('request_invalid', `The model name must be valid Unicode of at most ${maxModelLength} characters.`);
    }
    if (run.actor === null && facts.bodyActor !== null && isName(facts.bodyActor)) {
      run.actor = readActor(facts.bodyActor, 'inferred');
    }
    return { dialect, facts, body, plain: bytes, outgoing: body, outgoingIsPlain: false, parsed };
  } catch (error) {
    if (error instanceof HocError && error.code === 'request_invalid')
      return refuse('request_invalid', error.publicMessage);
    throw error;
  }
}

function decodeBody(body: Buffer, encoding: string | null, maxBodyBytes: number): Buffer {
  // Text seldom shrinks to a tenth; what shrinks to less than a twentieth is made to be dear to read.
  const maxOutputLength = Math.min(maxBodyBytes, body.length * maxInflation + spareBytes);
  const name = encoding?.trim().toLowerCase() ?? 'identity';
  if (name === 'identity' || name === '' || body.length === 0) return body;
  try {
    if (name === 'gzip' || name === 'x-gzip') return gunzipSync(body, { maxOutputLength });
    if (name === 'deflate') return inflateSync(body, { maxOutputLength });
    if (name === 'br') return brotliDecompressSync(body, { maxOutputLength });
  } catch (cause) {
    const publicMessage = `The body is not valid ${name}, or too large once decoded.`;
    throw new HocError({ code: 'request_invalid', publicMessage, cause });
  }
  throw new HocError({
    code: 'request_invalid',
    publicMessage: 'This Content-Encoding cannot be read here; send the body plain, or as gzip, deflate or br.',
  });
}

function readText(bytes: Buffer, contentType: string | null): string | null {
  if (bytes.length === 0 || contentType?.toLowerCase().startsWith('multipart/')) return null;
  return bytes.toString('utf8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON is not an error here: the provider judges its own format, and the run is governed as `opaque`.
    return undefined;
  }
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isModelName(model: string): boolean {
  return model.length <= maxModelLength && !/\p{Surrogate}/u.test(model);
}
