import fc from 'fast-check';
import t from 'tap';
import { HocError } from '../../storage/schema/errors.ts';
import type { Batch } from '../../storage/schema/rows.ts';
import { deriveBatch } from './derive.ts';
import { insertAllButRefused } from './split-insert.ts';
import { payloadFrame, recordFrame, sampleFinish } from './test-frames.ts';

function batchOf(runs: number): Batch {
  const frames = Array.from({ length: runs }, (_, index) => [
    recordFrame(sampleFinish({ seq: index + 1, runId: `run-${index + 1}` })),
    payloadFrame(`run-${index + 1}`, 'request', Buffer.from('x')),
  ]);
  return deriveBatch('id', frames.flat()).batch;
}

t.test('only rows that can never be stored are left out, and the same way each time', async (t) => {
  const property = fc.asyncProperty(
    fc.integer({ min: 0, max: 30 }),
    fc.array(fc.integer({ min: 1, max: 30 })),
    async (size, bad) => {
      const badRuns = new Set(bad.map((n) => `run-${n}`));
      const insertOnce = async () => {
        const stored: Batch[] = [];
        let refused = 0;
        const insert = async (part: Batch) => {
          if (part.runs.some((run) => badRuns.has(run.run_id))) {
            throw new HocError({ code: 'input_invalid', publicMessage: 'out of range' });
          }
          stored.push(part);
        };
        await insertAllButRefused(insert, batchOf(size), (rows) => {
          refused += rows;
        });
        return { stored, refused };
      };
      const { stored, refused } = await insertOnce();
      const expected = batchOf(size)
        .runs.map((run) => run.run_id)
        .filter((id) => !badRuns.has(id));
      const runs = stored.flatMap((part) => part.runs.map((run) => run.run_id));
      if (runs.join() !== expected.join() || refused !== size - expected.length)
        throw new Error(`stored ${runs.join()}`);
      if (stored.flatMap((part) => part.records).length !== size) throw new Error('a record was left out');
      if (stored.flatMap((part) => part.payloads).length !== size) throw new Error('a payload was left out');
      if (new Set(stored.map((part) => part.id)).size !== stored.length) throw new Error('an id was used twice');
      if (JSON.stringify(await insertOnce()) !== JSON.stringify({ stored, refused }))
        throw new Error('not the same again');
    },
  );
  await fc.assert(property, { numRuns: 100 });
  t.pass('100 batches');
});

t.test('any other failure is the whole batch’s', async (t) => {
  const insert = async () => {
    throw new HocError({ code: 'engine_unavailable', publicMessage: 'away' });
  };
  await t.rejects(
    insertAllButRefused(insert, batchOf(3), () => t.fail('refused')),
    { code: 'engine_unavailable' },
  );
});
