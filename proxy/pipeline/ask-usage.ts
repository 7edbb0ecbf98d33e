import type { UsageFilter } from '../dialects/dialect.ts';
import { findHeader } from './headers.ts';
import type { Intended } from './intent.ts';
import type { UpstreamHead } from './ports.ts';
import type { Reserved, Run } from './run.ts';

/** The body that goes to the provider, and what undoes the asking in its answer. */
export interface AskedBody {
  body: Buffer;
  /** Opens the filter for an answer, or null where nothing was asked or this answer needs none. */
  openFilter(head: UpstreamHead): UsageFilter | null;
  asked: boolean;
}

/**
 * Asks a stream for its usage by a textual insertion, where the provider's setting and the run call for it.
 *
 * `always` asks every stream that can be asked; `auto` only where a limit on money or tokens needs it and the provider uses the price
 * list of the dialect's own vendor, and so is known to take it; `never` leaves every byte alone. The run is marked.
 */
export function askForUsage(run: Run, permit: Intended): AskedBody {
  const { identified, request, reserved } = permit;
  const { dialect, facts } = request;
  const untouched: AskedBody = { body: request.outgoing, openFilter: () => null, asked: false };
  const { ask_usage: setting, price_as: priceAs, slug } = identified.provider;
  const needed = needsUsage(reserved) && (priceAs ?? slug) === dialect.vendor;
  if (!facts.usageNotAsked || dialect.askUsage === null || setting === 'never') return untouched;
  if (setting === 'auto' && !needed) return untouched;
  const isPlain = request.outgoingIsPlain || (identified.headers.contentEncoding ?? 'identity') === 'identity';
  if (!isPlain) return untouched;
  const changed = dialect.askUsage(request.outgoing, request.parsed);
  if (changed === null) return untouched;
  run.marks.add('usage_asked');
  return {
    body: Buffer.from(changed.bytes.buffer, changed.bytes.byteOffset, changed.bytes.byteLength),
    openFilter: (head) => (isReadableStream(head) ? (dialect.openUsageFilter?.() ?? null) : null),
    asked: true,
  };
}

function needsUsage({ plan }: Reserved): boolean {
  return plan.limits.some(({ kind }) => kind === 'money' || kind === 'tokens');
}

function isReadableStream(head: UpstreamHead): boolean {
  const encoding = findHeader(head.headers, 'content-encoding')?.trim().toLowerCase() ?? 'identity';
  return encoding === 'identity' && /event-stream/i.test(findHeader(head.headers, 'content-type') ?? '');
}
