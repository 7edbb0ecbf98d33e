import { parseArgs } from 'node:util';
import { type ContenderName, contenderNames } from './contenders/contender.ts';
import { type Scenario, scenarios } from './scenarios.ts';

export interface BenchOptions {
  json: boolean;
  quick: boolean;
  save: boolean;
  profile: boolean;
  /** Measure the parts of hoc one by one instead of its rates beside others. */
  figures: boolean;
  /** Measure what policies cost, by themselves. */
  policies: boolean;
  scenarios: readonly Scenario[];
  contenders: readonly ContenderName[];
  /** Rounds a contender and scenario; null means the default of the scenario. */
  rounds: number | null;
  seconds: number | null;
  seed: number;
}

export const usage = `Usage: npm run bench -- [options]

  --quick               shorter rounds, under 90 seconds in all
  --json                one JSON object on stdout and nothing else
  --scenario NAME       only this one (may be given again): ${scenarios.map(({ name }) => name).join(', ')}
  --contender NAME      only this one (may be given again): ${contenderNames.join(', ')}
  --rounds N            rounds of each contender (default 5; quick 3, of the judged scenario)
  --seconds N           seconds of a round (default 5; quick 1.5, of the judged scenario)
  --seed N              seed of the order of contenders within a round
  --save                also write bench/results/<date>-<scenario>.json
  --profile             profile the proxy of hoc under the load and print where its time goes
  --figures             measure parts of hoc by themselves: reservations and shipped runs a second, bytes a run
  --policies            measure policies by themselves: on requests, on streams, compiling, memory, detectors
  --help

Example: npm run bench -- --quick --json --scenario json-2k-32conn
`;

/** Reads the command line. Throws an Error whose message says what is wrong and what was expected. */
export function readOptions(args: readonly string[]): BenchOptions | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      save: { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false },
      figures: { type: 'boolean', default: false },
      policies: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      scenario: { type: 'string', multiple: true },
      contender: { type: 'string', multiple: true },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      seed: { type: 'string' },
    },
  });
  if (values.help) return 'help';
  const known = scenarios.map(({ name }) => name);
  const wanted = choose('--scenario', values.scenario, known);
  return {
    json: values.json,
    quick: values.quick,
    save: values.save,
    profile: values.profile,
    figures: values.figures,
    policies: values.policies,
    scenarios: scenarios.filter(({ name }) => wanted.includes(name)),
    contenders: choose(
      '--contender',
      values.contender ?? (values.profile || values.figures ? ['hoc'] : undefined),
      contenderNames,
    ),
    rounds: wholeNumber('--rounds', values.rounds),
    seconds: wholeNumber('--seconds', values.seconds),
    seed: wholeNumber('--seed', values.seed) ?? 1,
  };
}

function choose<T extends string>(
  option: string,
  given: readonly string[] | undefined,
  known: readonly T[],
): readonly T[] {
  const wrong = given?.find((name) => !known.some((one) => one === name));
  if (wrong !== undefined) throw new Error(`${option} ${wrong}: expected one of ${known.join(', ')}`);
  return given === undefined ? known : known.filter((name) => given.includes(name));
}

function wholeNumber(option: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new Error(`${option} ${text}: expected a whole number above 0`);
  return Number(text);
}
