import t from 'tap';
import { runLimitsProof } from './test-limits-proof.ts';

const rounds = Number(process.env.HOC_PROOF_ROUNDS ?? 600);
t.setTimeout(30_000 + 200 * rounds);

t.test('the Redis script agrees with the specification over random histories', async (t) => {
  const seed = Number(process.env.HOC_PROOF_SEED ?? Date.now() % 2 ** 31);
  t.setTimeout(30_000 + 200 * rounds);
  t.comment(`seed ${seed}, ${rounds} histories`);
  const counts = await runLimitsProof({ seed, rounds });
  t.comment(`${counts.calls} calls, ${counts.restorations} restorations, ${counts.readings} readings agreed`);
  t.equal(counts.histories, rounds);
});
