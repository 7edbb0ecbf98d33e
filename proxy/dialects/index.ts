import { anthropicMessages } from './anthropic-messages/index.ts';
import type { Dialect, RouteShape } from './dialect.ts';
import { opaque } from './opaque/index.ts';
import { openaiChat } from './openai-chat/index.ts';
import { normalizeRoute } from './route.ts';

export { findNameVariants } from './governed-names.ts';
export { readUnknownTexts } from './unknown-texts.ts';

/** All dialects in the order in which they are asked; `opaque` takes what is left. A new dialect is one folder and one line. */
export const dialects: readonly Dialect[] = [openaiChat, anthropicMessages, opaque];

/**
 * Finds the dialect of a request by its method and path first and its parsed body then (undefined where it could not be
 * parsed), the path as `normalizeRoute` reads it. `allowed` is the provider's list; a dialect that is not in it is passed
 * over. Always ends with `opaque`.
 */
export function recognizeDialect(request: {
  route: RouteShape;
  body: unknown;
  allowed: 'auto' | readonly string[];
}): Dialect {
  const { body, allowed } = request;
  const route = { ...request.route, path: normalizeRoute(request.route.path) };
  for (const dialect of dialects) {
    if ((allowed === 'auto' || allowed.includes(dialect.id)) && dialect.recognizes(route, body)) return dialect;
  }
  return opaque;
}
