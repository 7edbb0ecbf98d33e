import { HocError } from '../../storage/schema/errors.ts';
import { error, ok, type Verdict } from './verdict.ts';

/** The engines that control works with: their name for people, the setting that says where they are, and their log. */
const engines = {
  postgres: { name: 'PostgreSQL', variable: 'DATABASE_URL' },
  redis: { name: 'Redis', variable: 'REDIS_URL' },
  queue: { name: 'The queue’s Redis', variable: 'QUEUE_REDIS_URL' },
  clickhouse: { name: 'ClickHouse', variable: 'CLICKHOUSE_URL' },
} as const;

export type EngineName = keyof typeof engines;

export const engineNames = Object.keys(engines) as readonly EngineName[];

/** Where each engine is, without user, password and options. */
export type EngineAddresses = Readonly<Record<EngineName, string>>;

/** Asks one engine whether it is there. Never rejects: silence is a finding that names the engine and what to do. */
export async function examineEngine(
  engine: EngineName,
  ping: () => Promise<void>,
  addresses: EngineAddresses,
): Promise<Verdict> {
  const { name, variable } = engines[engine];
  try {
    await ping();
    return ok(`${name} answers`);
  } catch (failure) {
    // A driver that knows more than silence says so, with the address.
    const isSilence = !(failure instanceof HocError) || !failure.publicMessage.includes(addresses[engine]);
    if (!isSilence) return error(failure.publicMessage.slice(0, 300));
    const remedy = `see that it runs (under hoc start its log is logs/${engine}.log of the data folder)`;
    return error(
      `${name} at ${addresses[engine]} does not answer: ${remedy}, and that ${variable} of control names it`,
    );
  }
}

/** Why a check failed that needs these engines, as far as it may be shown: `silent` are those that do not answer. */
export function explainFailure(
  failure: unknown,
  needs: readonly EngineName[],
  silent: ReadonlySet<EngineName>,
): Verdict {
  const missing = needs.filter((engine) => silent.has(engine)).map((engine) => engines[engine].name);
  if (missing.length > 0) return error(`Could not be checked without ${missing.join(' and ')}, see above`);
  if (failure instanceof HocError) return error(`Could not be checked: ${failure.publicMessage.slice(0, 200)}`);
  // A client library's own words help nobody at night; the log has them.
  const asked = needs.map((engine) => engines[engine].name).join(' or ');
  return error(`Could not be checked: ${asked} failed; the log of control says how`);
}
