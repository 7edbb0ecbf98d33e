import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runLimitsProof } from '../../storage/redis/test-limits-proof.ts';
import { describeSlope, runSoak } from '../faults/soak.ts';

const built = fileURLToPath(new URL('../..', import.meta.url));

interface ProofOptions {
  seed: number;
  /** Null: the suite's own. */
  rounds: number | null;
  repeats: number;
  seconds: number;
}

/** A long suite; true where all held. */
type Suite = (options: ProofOptions) => Promise<boolean> | boolean;

const suites: Record<string, { says: string; run: Suite }> = {
  limits: {
    says: 'the Lua script against the specification of limits, over random histories',
    run: async ({ seed, rounds }) => {
      const { calls, restorations, readings } = await runLimitsProof({ seed, rounds: rounds ?? 10_000 });
      console.log(`ok: ${calls} calls, ${restorations} restorations and ${readings} readings agree`);
      return true;
    },
  },
  properties: { says: 'every file of properties, many times over', run: runProperties },
  kill: {
    says: 'kill -9 of any process under 200 open calls, 500 rounds',
    run: ({ seed, rounds }) =>
      runFile('test/kill-any-process.test.js', { HOC_PROOF_SEED: `${seed}`, HOC_PROOF_ROUNDS: `${rounds ?? 500}` }),
  },
  outages: {
    says: 'shipper frozen for 60 s, Redis for 30 s, ClickHouse away for 10 minutes, under load',
    run: () =>
      runFile('test/outages.test.js', {
        HOC_PROOF_SHIPPER_MS: '60000',
        HOC_PROOF_REDIS_MS: '30000',
        HOC_PROOF_CLICKHOUSE_MS: '600000',
      }),
  },
  soak: { says: 'half an hour of mixed load: memory flat, slopes with their errors', run: soak },
};

const usage = `Usage: npm run proof -- [options]

  --only SUITE     only this one (may be given again):
${Object.entries(suites)
  .map(([name, { says }]) => `                     ${name.padEnd(12)} ${says}`)
  .join('\n')}
  --seed N         repeats the schedules and histories of an earlier run
  --rounds N       rounds of limits and of the suites that have them
  --repeats N      how often each file of properties runs (20)
  --seconds N      length of the soak (1800)
`;

/** `npm run proof`: the long suites, one after the other. Prints its seed first. Exits 1 at the first that fails. */
async function prove(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true },
      seed: { type: 'string' },
      rounds: { type: 'string' },
      repeats: { type: 'string' },
      seconds: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  const chosen = values.only ?? Object.keys(suites);
  const unknown = chosen.find((name) => !Object.hasOwn(suites, name));
  if (values.help || unknown !== undefined) {
    console.log(unknown === undefined ? usage : `There is no suite ${unknown}.\n\n${usage}`);
    process.exitCode = unknown === undefined ? 0 : 2;
    return;
  }
  const options: ProofOptions = {
    seed: Number(values.seed ?? randomInt(2 ** 31)),
    rounds: values.rounds === undefined ? null : Number(values.rounds),
    repeats: Number(values.repeats ?? 20),
    seconds: Number(values.seconds ?? 1800),
  };
  console.log(`seed ${options.seed}`);
  for (const name of chosen) {
    const suite = suites[name];
    console.log(`# ${name}: ${suite?.says}`);
    if (await suite?.run(options)) continue;
    console.log(`not ok: ${name}; --only ${name} --seed ${options.seed} repeats it`);
    process.exitCode = 1;
    return;
  }
  console.log('ok: all held');
}

function runProperties({ repeats }: ProofOptions): boolean {
  for (const file of listPropertyFiles()) {
    for (let repeat = 1; repeat <= repeats; repeat += 1) {
      const { status, stdout } = spawnSync(process.execPath, [join(built, file)], { encoding: 'utf8' });
      if (status === 0) continue;
      console.log(stdout);
      console.log(`not ok: ${file} in repeat ${repeat}; the counterexample above names its own seed and path`);
      return false;
    }
    console.log(`ok: ${file}, ${repeats} times`);
  }
  return true;
}

/** Built test files that hold properties; their small versions run in `npm test`, here each runs many times over. */
function listPropertyFiles(): string[] {
  return readdirSync(built, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.js') && !path.includes('node_modules'))
    .filter((path) => readFileSync(join(built, path), 'utf8').includes("from 'fast-check'"))
    .sort();
}

/** Runs one built test file in a process of its own, with the lengths of a proof in its environment. */
function runFile(file: string, env: Record<string, string>): boolean {
  const done = spawnSync(process.execPath, [join(built, file)], { env: { ...process.env, ...env }, stdio: 'inherit' });
  return done.status === 0;
}

async function soak({ seed, seconds }: ProofOptions): Promise<boolean> {
  const result = await runSoak({ seed, seconds, callers: 40, note: (text) => console.log(text) });
  console.log(`${result.seconds} s, ${result.runs} runs seen by callers, ${result.recorded} on record`);
  for (const { process: name, kind, slope } of result.memory) {
    console.log(`${name.padEnd(12)} ${kind.padEnd(5)} ${describeSlope(slope)}`);
  }
  for (const violation of result.violations) console.log(`not ok: ${violation}`);
  return result.violations.length === 0;
}

await prove();
