import { sql } from 'kysely';
import * as access from './access.ts';
import * as acknowledgements from './acknowledgements.ts';
import * as audit from './audit.ts';
import type { ControlDatabase, Executor } from './connect.ts';
import * as counters from './counters.ts';
import * as credentials from './credentials.ts';
import { convertPostgresError } from './errors.ts';
import * as keys from './keys.ts';
import * as snapshots from './snapshots.ts';
import * as tenants from './tenants.ts';
import * as versions from './versions.ts';

const statements = {
  ...access,
  ...acknowledgements,
  ...audit,
  ...counters,
  ...credentials,
  ...keys,
  ...snapshots,
  ...tenants,
  ...versions,
};

type Bound<Statements> = {
  [Name in keyof Statements]: Statements[Name] extends (db: Executor, ...args: infer Args) => infer Result
    ? (...args: Args) => Result
    : never;
};

/** Every statement of this folder, bound to one transaction. */
export type ControlStatements = Bound<typeof statements>;

/** Control's state: statements run only inside a transaction. */
export interface ControlStore {
  /**
   * Runs `work` in one transaction that commits when it resolves and leaves nothing when it throws. Throws HocError:
   * whatever `work` threw, `conflict`, or `engine_unavailable`.
   */
  transaction<T>(work: (tx: ControlStatements) => Promise<T>): Promise<T>;
  /** Resolves when the server answers; throws `engine_unavailable` otherwise. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

function bind(db: Executor): ControlStatements {
  const bound = Object.entries(statements).map(([name, statement]) => {
    const run = statement as (executor: Executor, ...args: unknown[]) => unknown;
    return [name, (...args: unknown[]) => run(db, ...args)] as const;
  });
  return Object.fromEntries(bound) as unknown as ControlStatements;
}

/** Makes the store over a pool; closing the store closes the pool. */
export function createControlStore(db: ControlDatabase): ControlStore {
  return {
    async transaction(work) {
      try {
        return await db.transaction().execute((tx) => work(bind(tx)));
      } catch (error) {
        throw convertPostgresError(error);
      }
    },
    async ping() {
      try {
        await sql`select 1`.execute(db);
      } catch (error) {
        throw convertPostgresError(error);
      }
    },
    close: () => db.destroy(),
  };
}
