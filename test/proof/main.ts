import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runLimitsProof } from '../../storage/redis/test-limits-proof.ts';

const built = fileURLToPath(new URL('../..', import.meta.url));

/** Built test files that hold properties; their small versions run in `npm test`, here each runs many times over. */
function listPropertyFiles(): string[] {
  return readdirSync(built, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.js') && !path.includes('node_modules'))
    .filter((path) => readFileSync(join(built, path), 'utf8').includes("from 'fast-check'"))
    .sort();
}

/**
 * `npm run proof`: the long randomised suites. Prints its seed first; `--seed N` repeats a run of the limits proof,
 * `--rounds N` sets its length and `--repeats N` how often each file of properties runs. Exits 1 at the first difference.
 */
async function prove(): Promise<void> {
  const { values } = parseArgs({
    options: { seed: { type: 'string' }, rounds: { type: 'string' }, repeats: { type: 'string' } },
  });
  const seed = Number(values.seed ?? randomInt(2 ** 31));
  const rounds = Number(values.rounds ?? 10_000);
  const repeats = Number(values.repeats ?? 20);
  console.log(`seed ${seed}: limits against their specification, ${rounds} histories on a real redis-server`);
  const { calls, readings } = await runLimitsProof({ seed, rounds });
  console.log(`ok: ${calls} calls and ${readings} readings agree`);
  for (const file of listPropertyFiles()) {
    for (let repeat = 1; repeat <= repeats; repeat += 1) {
      const { status, stdout } = spawnSync(process.execPath, [join(built, file)], { encoding: 'utf8' });
      if (status === 0) continue;
      console.log(stdout);
      console.log(`not ok: ${file} in repeat ${repeat}; the counterexample above names its own seed and path`);
      process.exitCode = 1;
      return;
    }
    console.log(`ok: ${file}, ${repeats} times`);
  }
}

await prove();
