import { inspectTexts } from '../policy/detectors/index.ts';
import { createLocalShare } from '../policy/limits/index.ts';
import { identify } from '../proxy/pipeline/identify.ts';
import { createOpenReservations } from '../proxy/pipeline/open-reservations.ts';
import type { Gate } from '../proxy/pipeline/ports.ts';
import { read } from '../proxy/pipeline/read.ts';
import { type Identified, isRefusal, openRun, type Read, type Run } from '../proxy/pipeline/run.ts';
import type { CompiledSnapshot } from '../proxy/pipeline/snapshot.ts';
import { compileWorld } from '../proxy/pipeline/test-documents.ts';
import type { PolicyEntry } from '../storage/schema/snapshot.ts';
import { scenarios } from './scenarios.ts';

/** A tenant's policies in force, and a request at the door of the stage that asks them. */
export interface Stage {
  identified: Identified;
  request: Read;
  /** A fresh run of that request: each is decided once. */
  openRun(): Run;
}

/** What all figures of policies are measured on. */
export const benchRequest = 'a chat request of 2 KB, a system prompt and a question';

/** Puts policies into force and takes one request through the stages before them. Throws where it is refused there. */
export async function openStage(policies: readonly PolicyEntry[]): Promise<Stage> {
  const provider = { url: 'http://127.0.0.1:1' };
  const snapshot = await compileWorld(1, provider, { limits: [], settings: { policies } });
  const gate = openGate(snapshot);
  const body = Buffer.from((scenarios[0]?.body ?? '').replace('"gpt-4o-mini"', '"sim-1"'));
  const call = {
    method: 'POST',
    url: '/sim/v1/chat/completions',
    rawHeaders: ['authorization', 'Bearer secret', 'content-type', 'application/json'],
    readBody: async () => body,
  };
  const run = openRun(gate, call);
  const identified = identify(run);
  if (isRefusal(identified)) throw new Error(identified.message);
  const request = await read(run, identified);
  if (isRefusal(request)) throw new Error(request.message);
  return { identified, request, openRun: () => Object.assign(openRun(gate, call), { actor: run.actor }) };
}

/** All that deciding needs. Texts that would go to the inspector's thread are looked through at once, to be counted. */
function openGate(snapshot: CompiledSnapshot): Gate {
  const unused = (): never => {
    throw new Error('Deciding needs none of this');
  };
  const ignored = () => undefined;
  return {
    clock: { nowMs: Date.now, nowUs: () => performance.now() * 1000 },
    ids: { runId: () => 'bench', salt: () => '00'.repeat(16) },
    hashKey: (secret) => secret,
    snapshot: () => snapshot,
    hasRoom: () => true,
    snapshotIsStale: () => false,
    reservations: { reserve: unused, settle: unused },
    sessions: { note: unused },
    inspector: { inspect: async (_, job) => inspectTexts(job) },
    spool: { proxyId: 'bench', epoch: 1, nextSeq: unused, append: unused, room: unused },
    upstream: { send: unused },
    credentials: { find: () => null },
    telemetry: {
      runStarted: ignored,
      runFinished: ignored,
      limitUsed: ignored,
      limitNear: ignored,
      limitOverrun: ignored,
      limitToppedUp: ignored,
      runCut: ignored,
      failed: (_, error) => {
        throw error;
      },
    },
    openReservations: createOpenReservations(),
    counterEpoch: () => 'bench',
    localShare: createLocalShare(),
    lateEnds: { add: unused },
    settler: { add: unused, flush: unused },
    limits: { maxBodyBytes: 16_000_000, maxCaptureBytes: 1_000_000, maxDecideBytes: 4_000_000, reservationMs: 900_000 },
  };
}
