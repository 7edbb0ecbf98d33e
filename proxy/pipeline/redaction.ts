import { idleJob, inspectTexts, sensitiveDetectors } from '../../policy/detectors/index.ts';
import { type Inspecting, runInspection } from './inspect.ts';

/** Units of a text that are redacted at once where a run ends and nothing can wait: some milliseconds. */
const mostUnitsAtOnce = 16 * 1024;
/** What is cut off an unfinished text: a finding that goes over its end would not be seen as one. */
const margin = 256;

/** A text of which only the beginning may be known. */
export interface KeptText {
  text: string;
  isWhole: boolean;
}

/** The text for a redacting capture, as bytes; null where it could not be looked through. Never rejects. */
export async function redactText(run: Inspecting, { text, isWhole }: KeptText): Promise<Buffer | null> {
  const inspection = await runInspection(run, jobOf(text));
  const redacted = inspection?.redacted[0];
  return redacted === undefined ? null : encode(redacted, isWhole);
}

/** The same at once, of the beginning of a long text. */
export function redactBeginning({ text, isWhole }: KeptText): Buffer {
  const isShort = text.length <= mostUnitsAtOnce;
  const [redacted = ''] = inspectTexts(jobOf(isShort ? text : text.slice(0, mostUnitsAtOnce))).redacted;
  return encode(redacted, isWhole && isShort);
}

function jobOf(text: string) {
  return { ...idleJob, bodies: [{ text, detectors: sensitiveDetectors }] };
}

function encode(redacted: string, isWhole: boolean): Buffer {
  return Buffer.from(isWhole ? redacted : redacted.slice(0, Math.max(0, redacted.length - margin)));
}

/** The text of a decoded body up to `maxBytes`; null where it is no UTF-8, and so nothing that can be redacted. */
export function readKeptText(bytes: Uint8Array, maxBytes: number): KeptText | null {
  const isWhole = bytes.length <= maxBytes;
  try {
    const decoder = new TextDecoder('utf-8', { fatal: true });
    return { text: decoder.decode(bytes.subarray(0, maxBytes), { stream: !isWhole }), isWhole };
  } catch {
    // Bytes that are no text are no error: they are not kept.
    return null;
  }
}
