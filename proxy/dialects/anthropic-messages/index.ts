import { openAnswerStream, readWholeAnswer } from '../answer-stream.ts';
import type { Dialect } from '../dialect.ts';
import { messagesNames } from '../governed-names.ts';
import { isObject } from '../json-fields.ts';
import { readMessage } from './answer.ts';
import { changeMessagesBody } from './change.ts';
import { renderMessagesCut, renderMessagesRefusal } from './refusal.ts';
import { readMessagesRequest } from './request.ts';
import { openMessageEvents } from './stream.ts';
import { readMessagesRequestTexts, readMessageTexts } from './texts.ts';

const fullPath = /\/v1\/messages\/?$/i;
const shortPath = /\/messages\/?$/i;

const readers = { openEvents: openMessageEvents, readWhole: readMessage, readTexts: readMessageTexts };

/**
 * Anthropic messages, under any path prefix. `/messages` without `/v1` is also what other APIs call their own things, so
 * that there the body must carry a list of messages.
 */
export const anthropicMessages: Dialect = {
  id: 'anthropic-messages',
  vendor: 'anthropic',
  recognizes: (route, body) => {
    if (route.method !== 'POST' || !shortPath.test(route.path)) return false;
    if (isObject(body)) return fullPath.test(route.path) || Array.isArray(body.messages);
    return (body === undefined || body === null) && fullPath.test(route.path);
  },
  readRequest: readMessagesRequest,
  readAnswer: (body, contentType) => readWholeAnswer(body, contentType, readers),
  openStream: (contentType, options) => openAnswerStream(contentType, readers, options),
  askUsage: null,
  openUsageFilter: null,
  readRequestTexts: readMessagesRequestTexts,
  readAnswerTexts: readMessageTexts,
  change: changeMessagesBody,
  governedNames: messagesNames,
  credentialHeader: 'x-api-key',
  renderRefusal: renderMessagesRefusal,
  renderCut: renderMessagesCut,
};
