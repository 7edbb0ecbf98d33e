import { createHash } from 'node:crypto';
import { HocError } from '../schema/errors.ts';
import { openSpool } from './index.ts';

/** For tests: what a process of its own appends, and what it says when it has. */
export interface WriterOrder {
  dir: string;
  /** Records to append; each has a payload of `payloadBytes` before it where that is not 0. */
  records: number;
  payloadBytes: readonly number[];
  /** Once these are appended, waits until the spool accepts again and appends one more. */
  waitsForDisk: boolean;
}

/** For tests: the report of a writer that came to its end. Times in ms. */
export interface WriterReport {
  epoch: number;
  taken: readonly number[];
  refusals: readonly string[];
  syncFailures: number;
  slowestAppendMs: number;
  accepted: boolean;
}

/** For tests: Unix ms at which a writer's epoch begins, so that the names of its segments are known before. */
export const writerEpochMs = 1_800_000_000_000;

/** For tests: appends as ordered, in a process that a test kills or that strace runs, and tells of it in one line. */
export async function runWriter(order: WriterOrder): Promise<void> {
  const now = () => writerEpochMs + Math.round(performance.now());
  const spool = await openSpool({
    dir: order.dir,
    proxyId: 'p',
    durability: 'disk',
    segmentBytes: 4 * 1024 * 1024,
    now,
  });
  const taken: number[] = [];
  const refusals: string[] = [];
  let syncFailures = 0;
  let slowestAppendMs = 0;
  const appendOne = (n: number) => {
    const bytes = order.payloadBytes[n % order.payloadBytes.length] ?? 0;
    const body = Buffer.alloc(bytes, 65 + (n % 26));
    const seq = spool.nextSeq();
    const digest = createHash('sha256').update(body).digest('hex');
    const record = {
      kind: 'record',
      seq,
      head: Buffer.from(JSON.stringify({ n, bytes, digest })),
      tail: Buffer.alloc(900, 98),
    } as const;
    const payload = { kind: 'payload', seq: 0, head: Buffer.from(JSON.stringify({ n })), tail: body } as const;
    const beganAt = performance.now();
    try {
      if (bytes > 0) spool.append(payload, record);
      else spool.append(record);
      taken.push(seq);
    } catch (error) {
      refusals.push(
        error instanceof HocError ? `${error.code} ${(error.cause as NodeJS.ErrnoException).code}` : String(error),
      );
    }
    slowestAppendMs = Math.max(slowestAppendMs, performance.now() - beganAt);
  };
  for (let n = 0; n < order.records; n += 1) {
    appendOne(n);
    if (n % 10 !== 9) continue;
    if (order.waitsForDisk) await spool.sync().catch(() => (syncFailures += 1));
    else await new Promise((resolve) => setImmediate(resolve));
  }
  const until = performance.now() + 5000;
  while (order.waitsForDisk && !spool.accepts() && performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  appendOne(order.records);
  const accepted = spool.accepts();
  await spool.close().catch(() => (syncFailures += 1));
  const report: WriterReport = { epoch: spool.epoch, taken, refusals, syncFailures, slowestAppendMs, accepted };
  process.stdout.write(`${JSON.stringify(report)}\n`);
}
