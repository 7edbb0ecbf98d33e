import type { UnboundedReason } from './dialect.ts';

/** What a walk over a request's content found. */
export interface MediaFindings {
  /** Characters of base64 images, audio and video: the part of the body that a text tokenizer never sees. */
  mediaCharacters: number;
  mediaParts: number;
  /** Media and documents that the provider is to fetch. */
  remoteParts: number;
  unbounded: UnboundedReason | null;
}

/** One image at full detail: 1,445 tokens in OpenAI's tiles, about 1,600 at Anthropic, 1,540 seen at Mistral. */
const tokensPerMedia = 2048;
/** Audio is 10 to 32 tokens a second, and a second is 2,000 base64 characters or more. */
const charactersPerMediaToken = 64;
/** What offering tools or a schema adds beyond its text; the largest published figure (Anthropic) is 804 tokens. */
const hiddenPromptTokens = 1024;
const tokensPerTool = 128;
/** Tools that the vendor defines and the caller runs carry a schema that is not in the body: 1,200 tokens seen. */
const tokensPerVendorTool = 1536;

/** What a request asks for that makes its provider write a prompt of its own. */
export interface AskedExtras {
  tools: number;
  /** Those of the tools whose schema the vendor holds. */
  vendorTools: number;
  schema: boolean;
}

const base64Media = /^data:(?:image|audio|video)\/[^,]{0,100};base64,/i;
const mediaType = /^(?:image|audio|video)\//i;

/** Takes note of content given by URL: media inside the URL itself, or a remote file of unknown size. */
export function noteUrl(findings: MediaFindings, url: unknown): void {
  if (typeof url !== 'string' || url === '') return;
  const head = url.slice(0, 5).toLowerCase();
  if (head !== 'data:') noteUnbounded(findings, 'remote_media');
  else {
    const prefix = base64Media.exec(url.slice(0, 160));
    if (prefix !== null) addMedia(findings, url.length - prefix[0].length);
  }
}

/**
 * Takes note of base64 data of a stated media type. Documents (text, PDF) are no media: their bytes become text, so that
 * they stay within the bound.
 */
export function noteBase64(findings: MediaFindings, type: string, data: unknown): void {
  if (typeof data === 'string' && mediaType.test(type)) addMedia(findings, data.length);
}

/** Takes note of why the cost is not bounded; the first reason stays. */
export function noteUnbounded(findings: MediaFindings, reason: UnboundedReason): void {
  findings.unbounded ??= reason;
  if (reason === 'remote_media') findings.remoteParts++;
}

/** A walk that has found nothing yet. */
export function openFindings(): MediaFindings {
  return { mediaCharacters: 0, mediaParts: 0, remoteParts: 0, unbounded: null };
}

/**
 * Facts about the input's size. The bound is one token a byte outside media, an allowance for media, and one for the
 * prompt that a provider writes by itself where tools or an output schema are asked for. The allowances are no promise:
 * they cover every exchange of the recorded corpus, and what a provider counts above them is an overrun.
 */
export function boundInput(body: Uint8Array, findings: MediaFindings, asked: AskedExtras) {
  const textBytes = Math.max(0, body.length - findings.mediaCharacters);
  const media = findings.mediaParts * tokensPerMedia + Math.ceil(findings.mediaCharacters / charactersPerMediaToken);
  const forTools = asked.tools * tokensPerTool + asked.vendorTools * tokensPerVendorTool;
  const hidden = asked.tools > 0 || asked.schema ? hiddenPromptTokens + forTools : 0;
  return {
    inputBoundTokens: textBytes === 0 ? 0 : textBytes + media + hidden,
    estimatedInputTokens: Math.ceil(textBytes / 4),
    mediaParts: findings.mediaParts + findings.remoteParts,
    inputMedia: findings.mediaParts > 0 || findings.unbounded !== null,
    longCache: Buffer.from(body.buffer, body.byteOffset, body.length).includes('"ttl"'),
    unbounded: findings.unbounded,
  };
}

function addMedia(findings: MediaFindings, characters: number): void {
  findings.mediaCharacters += characters;
  findings.mediaParts++;
}
