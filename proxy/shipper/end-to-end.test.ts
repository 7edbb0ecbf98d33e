import { once } from 'node:events';
import { join } from 'node:path';
import t from 'tap';
import { uuidv7 } from 'uuidv7';
import { leafHash, merkleRoot } from '../../policy/evidence/index.ts';
import { readRun } from '../../storage/clickhouse/index.ts';
import { countRuns } from '../../storage/clickhouse/test-rows.ts';
import { openSpool } from '../../storage/spool/index.ts';
import {
  payloadFrame,
  recordFrame,
  sampleFinish,
  sampleIntent,
  sampleOpenValues,
  sampleSettled,
} from './test-frames.ts';
import { openShipperStage, startShipperProcess, until } from './test-process.ts';

t.setTimeout(120_000);

t.test(
  'a proxy’s spool reaches ClickHouse, Redis and control, through a kill of the shipper and the end of the proxy',
  async (t) => {
    const stage = await openShipperStage(t);
    const { dir, ch, control, reserve } = stage;
    const first = await startShipperProcess(t, stage);

    const spool = await openSpool({ dir: join(dir, 'spool'), proxyId: 'p', durability: 'process' });
    const hashes = new Map<number, string>();
    const append = (record: Parameters<typeof recordFrame>[0], open: Parameters<typeof recordFrame>[1] = null) => {
      const frame = recordFrame({ ...record, proxy_epoch: spool.epoch, at_ms: Date.now() }, open);
      hashes.set(record.proxy_seq, leafHash(frame.head.toString()));
      spool.append(frame);
    };
    const ids = Array.from({ length: 40 }, () => uuidv7());
    const settle = [{ key: 'budget', amount: '30' }];
    const unsettled = ids.slice(0, 5);
    for (const [index, runId] of ids.entries()) {
      if (unsettled.includes(runId)) t.ok((await reserve(runId)) !== undefined);
      append(sampleIntent({ seq: spool.nextSeq(), runId }), sampleOpenValues);
      spool.append(payloadFrame(runId, 'request', Buffer.alloc(index === 7 ? 200_000 : 20, 65)));
      if (index === 20) first.child.kill('SIGKILL');
      if (index === 39) break;
      append(
        sampleFinish({ seq: spool.nextSeq(), runId }),
        unsettled.includes(runId) ? { ...sampleOpenValues, settle } : sampleOpenValues,
      );
    }
    append(sampleSettled({ seq: spool.nextSeq(), runs: [] }));
    const second = await startShipperProcess(t, stage);
    await until('all is drained', async () => (await fetch(`${second.admin}/drained?wait_ms=2000`)).status === 200);

    const scope = { kind: 'all' } as const;
    t.equal(await countRuns(ch, scope), 40);
    const big = await readRun(ch, scope, ids[7] ?? '');
    t.match(big, { run: { status: 'succeeded', actor_id: 'user-a', cost_nano_usd: '13500', tags: { team: 'red' } } });
    t.match(await readRun(ch, scope, ids[39] ?? ''), { run: { status: 'running' } });

    const metrics = async () => (await fetch(`${second.admin}/metrics`)).text();
    await until('the leftovers are settled', async () => /^hoc_shipper_settled_total 5$/m.test(await metrics()));
    t.match(await reserve(uuidv7()), { used: 150n, reserved: 100n });

    await spool.close();
    await until('the open run is closed', async () => {
      return (await readRun(ch, scope, ids[39] ?? ''))?.run.status === 'abandoned';
    });
    t.match(await readRun(ch, scope, ids[39] ?? ''), {
      run: {
        outcome: 'failure',
        usage_source: 'estimated',
        cost_nano_usd: '9000000',
        proxy_id: 'p.recovery',
        actor_id: 'user-a',
      },
    });
    await until('control has the seal of the closing', () => control.seals.some((seal) => seal.proxy_id !== 'p'));
    await until('control has all seals', async () => /^hoc_shipper_seals_pending 0$/m.test(await metrics()));
    t.same([...control.tokens], ['Bearer a token']);
    const own = new Map(control.seals.filter((seal) => seal.proxy_id === 'p').map((seal) => [seal.batch_id, seal]));
    t.equal(
      [...own.values()].reduce((sum, seal) => sum + seal.leaves, 0),
      hashes.size,
    );
    for (const seal of own.values()) {
      const seqs = [...hashes.keys()].filter((seq) => seq >= seal.first_seq && seq <= seal.last_seq);
      t.equal(merkleRoot(seqs.map((seq) => hashes.get(seq) ?? '')), seal.root);
    }
    t.equal(control.seals.filter((seal) => seal.proxy_id === 'p.recovery').length, 1);
    t.equal((await fetch(`${second.admin}/readyz`)).status, 200);
    second.child.stdin?.end();
    const [code] = (await once(second.child, 'exit')) as [number];
    t.equal(code, 0, 'it ends cleanly when its parent does');
  },
);
