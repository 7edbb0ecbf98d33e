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
  /** Null: the suite's own. */
  seconds: number | null;
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
  splits: {
    says: 'streams of every dialect, split at random: same bytes, same cut, same decisions (2,000 streams)',
    run: ({ seed, rounds }) =>
      runFile('proxy/pipeline/splits-properties.test.js', {
        HOC_PROOF_SEED: `${seed}`,
        HOC_PROOF_ROUNDS: `${rounds ?? 2000}`,
      }),
  },
  endless: {
    says: 'a stream of 4 GB through a proxy with little memory, read by policies and not',
    run: () => runFile('test/acceptance-policies.test.js', { HOC_PROOF_STREAM_BYTES: '4000000000' }),
  },
  kill: {
    says: 'kill -9 of any process under 200 open calls (500 rounds)',
    run: ({ seed, rounds }) =>
      runFile('test/kill-any-process.test.js', { HOC_PROOF_SEED: `${seed}`, HOC_PROOF_ROUNDS: `${rounds ?? 500}` }),
  },
  outages: {
    says: 'ClickHouse away for 10 minutes, a shipper frozen for 60 s, Redis for 30 s, under load',
    run: ({ seconds }) => {
      const awayMs = (seconds ?? 600) * 1000;
      return runFile('test/outages.test.js', {
        HOC_PROOF_CLICKHOUSE_MS: `${awayMs}`,
        HOC_PROOF_SHIPPER_MS: `${awayMs / 10}`,
        HOC_PROOF_REDIS_MS: `${awayMs / 20}`,
      });
    },
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
  --seconds N      length of the soak (1800), and of the longest of the outages (600)

Ends with one line that begins with "proof held" or "proof FAILED", and exits with 0 or 1.
`;

/**
 * `npm run proof`: the long suites, one after the other. Prints its seed first and its verdict last. Exits 1 at the first
 * suite that fails, 2 where it was not understood.
 */
async function prove(): Promise<void> {
  const read = readProof();
  if (typeof read === 'string') {
    console.log(read);
    process.exitCode = read === usage ? 0 : 2;
    return;
  }
  const { chosen, options } = read;
  console.log(`seed ${options.seed}`);
  const startedMs = performance.now();
  for (const name of chosen) {
    console.log(`# ${name}: ${suites[name]?.says}`);
    if (await holds(name, options)) continue;
    console.log(`proof FAILED: ${name}; to repeat it: npm run proof -- ${wordsOf(name, options)}`);
    process.exitCode = 1;
    return;
  }
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
  console.log(`proof held: ${chosen.join(', ')}; seed ${options.seed}, ${seconds} s`);
}

/** What the command line asks for, or what to tell who wrote it. */
function readProof(): { chosen: readonly string[]; options: ProofOptions } | string {
  let values: ReturnType<typeof parseWords>;
  try {
    values = parseWords();
  } catch (error) {
    return `${error instanceof Error ? error.message : error}\n\n${usage}`;
  }
  if (values.help) return usage;
  const chosen = values.only ?? Object.keys(suites);
  const unknown = chosen.find((name) => !Object.hasOwn(suites, name));
  if (unknown !== undefined) return `There is no suite ${unknown}.\n\n${usage}`;
  for (const name of ['seed', 'rounds', 'repeats', 'seconds'] as const) {
    const text = values[name];
    if (text !== undefined && !/^[0-9]{1,10}$/.test(text))
      return `--${name} is a whole number, not ${text}.\n\n${usage}`;
  }
  const numberOf = (text: string | undefined): number | null => (text === undefined ? null : Number(text));
  const options: ProofOptions = {
    seed: numberOf(values.seed) ?? randomInt(2 ** 31),
    rounds: numberOf(values.rounds),
    repeats: numberOf(values.repeats) ?? 20,
    seconds: numberOf(values.seconds),
  };
  return { chosen, options };
}

function parseWords() {
  const text = { type: 'string' } as const;
  const options = { seed: text, rounds: text, repeats: text, seconds: text } as const;
  return parseArgs({ options: { ...options, only: { type: 'string', multiple: true }, help: { type: 'boolean' } } })
    .values;
}

/** The words that run one suite of this proof again. */
function wordsOf(name: string, { seed, rounds, repeats, seconds }: ProofOptions): string {
  const lengths = [rounds === null ? '' : ` --rounds ${rounds}`, seconds === null ? '' : ` --seconds ${seconds}`];
  return `--only ${name} --seed ${seed} --repeats ${repeats}${lengths.join('')}`;
}

/** A suite that throws has failed, and says why; the verdict stays the last line. */
async function holds(name: string, options: ProofOptions): Promise<boolean> {
  try {
    return (await suites[name]?.run(options)) === true;
  } catch (error) {
    console.log(error instanceof Error ? error.stack : error);
    return false;
  }
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
  // The checks hold every run of half an hour at once.
  const words = ['--max-old-space-size=6144', join(built, file)];
  const { status, signal } = spawnSync(process.execPath, words, { env: { ...process.env, ...env }, stdio: 'inherit' });
  if (signal !== null) console.log(`${file} was ended by ${signal}`);
  return status === 0;
}

async function soak({ seed, seconds }: ProofOptions): Promise<boolean> {
  const result = await runSoak({ seed, seconds: seconds ?? 1800, callers: 40, note: (text) => console.log(text) });
  console.log(`${result.seconds} s, ${result.runs} runs seen by callers, ${result.recorded} on record`);
  for (const { process: name, kind, slope } of result.memory) {
    console.log(`${name.padEnd(12)} ${kind.padEnd(5)} ${describeSlope(slope)}`);
  }
  for (const violation of result.violations) console.log(`not ok: ${violation}`);
  return result.violations.length === 0;
}

await prove();
