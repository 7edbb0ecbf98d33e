import { HocError } from '../../storage/schema/errors.ts';
import type { FinishRecord, IntentRecord, OpenValues, PayloadHead } from '../../storage/schema/record.ts';
import type { Spool } from '../../storage/spool/index.ts';
import type { SpoolPort } from './ports.ts';

/** Reads along what is appended, and lets a test close the spool to it. */
export function watchSpool(spool: Spool) {
  const intents = new Map<string, IntentRecord & { open: OpenValues }>();
  const finishes = new Map<string, FinishRecord & { open: OpenValues }>();
  const payloads: (PayloadHead & { body: string })[] = [];
  let full: 'none' | 'metadata' | 'all' | 'finish' | 'nothing' | 'broken' = 'all';
  const port: SpoolPort = {
    proxyId: spool.proxyId,
    epoch: spool.epoch,
    nextSeq: () => spool.nextSeq(),
    append(...frames) {
      const kinds = frames.map((frame) => (frame.kind === 'record' ? JSON.parse(frame.head.toString()).kind : ''));
      if (full === 'nothing' || (full === 'finish' && kinds.includes('finish'))) throw spoolFull();
      spool.append(...frames);
      for (const frame of frames) {
        if (frame.kind === 'payload') {
          payloads.push({ ...(JSON.parse(frame.head.toString()) as PayloadHead), body: frame.tail.toString() });
        }
        if (frame.kind !== 'record') continue;
        const record = JSON.parse(frame.head.toString());
        record.open = frame.tail.length === 0 ? {} : JSON.parse(frame.tail.toString());
        if (record.kind === 'intent') intents.set(record.run_id, record);
        if (record.kind === 'finish') finishes.set(record.run_id, record);
      }
    },
    room(tenant) {
      if (full === 'broken') throw new Error('broken, says the test');
      if (full === 'finish' || full === 'nothing') return 'all';
      return full === 'all' ? spool.room(tenant) : full;
    },
  };
  return { port, intents, finishes, payloads, fill: (how: typeof full) => (full = how) };
}

function spoolFull(): HocError {
  return new HocError({ code: 'spool_full', publicMessage: 'full, says the test' });
}
