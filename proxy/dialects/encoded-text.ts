import { beginsAsText, decodeText } from './decode-text.ts';
import { isObject, readText } from './json-fields.ts';

/** Names under which formats take media and documents: as addresses, data URLs or base64. */
export const mediaNames: ReadonlySet<string> = new Set(
  `url uri image_url video_url audio_url document_url file_url data file_data b64_json image images audio video bytes`.split(
    ' ',
  ),
);

/** What a string comes to that may hold encoded bytes. */
export interface EncodedText {
  /** Whether its letters are to be taken for text themselves; false for base64. */
  isText: boolean;
  /** The text within; null where it holds none. */
  decoded: string | null;
}

/** Length from which letters and digits alone are taken for base64, under a name of media. */
const longBase64 = 1024;
const dataUrl = /^data:([^,;]{0,200})((?:;[^,;]{0,200}){0,8}),/i;
const base64 = /^[A-Za-z0-9+/_\s-]*={0,2}\s*$/;
const plain: EncodedText = { isText: true, decoded: null };

/**
 * Reads a string as a data URL or as base64. `isMedia`: it stands under one of `mediaNames`, where a provider takes it for
 * media; anywhere else its letters are text, whatever they look like. Whether base64 holds a text tell its own bytes, and
 * not what it is called.
 */
export function readEncoded(text: string, isMedia: boolean, holder: unknown): EncodedText {
  const head = dataUrl.exec(text.slice(0, 2048));
  if (head !== null) {
    const [prefix, type = '', parameters = ''] = head;
    const payload = text.slice(prefix.length);
    if (!/;\s*base64\s*$/i.test(parameters)) return { isText: true, decoded: decodePercents(payload) };
    if (!base64.test(payload)) return plain;
    return { isText: !isMedia, decoded: decodeBase64(payload, /^text\//i.test(type)) };
  }
  if (!isMedia) return plain;
  const type = readMediaType(holder);
  if ((type === null && text.length < longBase64) || !base64.test(text)) return plain;
  return { isText: false, decoded: decodeBase64(text, /^text\//i.test(type ?? '')) };
}

/** What the object around base64 calls it; null where it does not say that it holds any. */
function readMediaType(holder: unknown): string | null {
  if (!isObject(holder)) return null;
  if (holder.type === 'base64') return readText(holder.media_type) ?? '';
  const isAudio = typeof holder.format === 'string' || typeof holder.transcript === 'string';
  return isAudio ? 'audio/*' : null;
}

function decodeBase64(payload: string, saysText: boolean): string | null {
  if (!saysText && !beginsAsText(Buffer.from(payload.slice(0, 2048), 'base64'))) return null;
  const bytes = Buffer.from(payload, 'base64');
  return decodeText(bytes) ?? bytes.toString('utf8');
}

function decodePercents(payload: string): string | null {
  if (!payload.includes('%')) return null;
  const bytes = payload.replace(/%([0-9a-f]{2})/gi, (_whole, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return /[\u0100-\uffff]/.test(bytes) ? bytes : Buffer.from(bytes, 'latin1').toString('utf8');
}
