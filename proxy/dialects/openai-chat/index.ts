import { openAnswerStream, readWholeAnswer } from '../answer-stream.ts';
import type { Dialect } from '../dialect.ts';
import { chatNames } from '../governed-names.ts';
import { isObject } from '../json-fields.ts';
import { readChatAnswer } from './answer.ts';
import { askChatUsage } from './ask-usage.ts';
import { changeChatBody } from './change.ts';
import { renderChatCut, renderChatRefusal } from './refusal.ts';
import { readChatRequest } from './request.ts';
import { openChatEvents } from './stream.ts';
import { readChatAnswerTexts, readChatRequestTexts } from './texts.ts';
import { openChatUsageFilter } from './usage-filter.ts';

const chatPath = /\/chat\/completions\/?$/i;

const readers = { openEvents: openChatEvents, readWhole: readChatAnswer, readTexts: readChatAnswerTexts };

/** OpenAI chat completions, as OpenAI, Azure and many compatible providers speak it, under any path prefix. */
export const openaiChat: Dialect = {
  id: 'openai-chat',
  vendor: 'openai',
  recognizes: (route, body) =>
    route.method === 'POST' && chatPath.test(route.path) && (body === undefined || body === null || isObject(body)),
  readRequest: readChatRequest,
  readAnswer: (body, contentType) => readWholeAnswer(body, contentType, readers),
  openStream: (contentType, options) => openAnswerStream(contentType, readers, options),
  askUsage: askChatUsage,
  openUsageFilter: openChatUsageFilter,
  readRequestTexts: readChatRequestTexts,
  readAnswerTexts: readChatAnswerTexts,
  change: changeChatBody,
  governedNames: chatNames,
  credentialHeader: 'authorization',
  renderRefusal: renderChatRefusal,
  renderCut: renderChatCut,
};
