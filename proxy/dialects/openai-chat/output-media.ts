import { isObject, readList } from '../json-fields.ts';

/** Speech is about 20 tokens a second, and a second is 700 base64 characters or more, in any of the formats offered. */
const charactersPerAudioToken = 32;
/** Images count by their size on screen, not in bytes: 1,290 tokens in Gemini's words, 6,240 at the most in OpenAI's. */
const tokensPerImage = 8192;

/** An allowance for the tokens of the audio and the images in a message or a delta of one. No promise, like all of media. */
export function boundChatMedia(message: unknown): number {
  if (!isObject(message)) return 0;
  const images = readList(message.images).length * tokensPerImage;
  const data = isObject(message.audio) && typeof message.audio.data === 'string' ? message.audio.data : '';
  return images + Math.ceil(data.length / charactersPerAudioToken);
}
