import type { Installation } from '../installation.ts';
import { askClickHouse } from './check-stores.ts';

/** What one run took of one limit, as it stands in the records. */
export interface RecordedCharge {
  runId: string;
  status: string;
  limitId: string;
  reserved: bigint;
  settled: bigint;
  taken: bigint | null;
  ceiling: bigint;
  near: boolean;
}

/** The charges of a limit in all terminal runs, in no order. */
export async function readCharges(hoc: Installation, limitId: string): Promise<RecordedCharge[]> {
  const sql = `SELECT run_id, status, toString(limit_reserved) AS reserved, toString(limit_settled) AS settled,
      toString(limit_taken) AS taken, toString(limit_ceiling) AS ceiling, limit_near AS near
    FROM (SELECT * FROM runs FINAL)
    ARRAY JOIN \`limits.id\` AS limit_id, \`limits.reserved\` AS limit_reserved, \`limits.settled\` AS limit_settled,
      \`limits.taken\` AS limit_taken, \`limits.ceiling\` AS limit_ceiling, \`limits.near\` AS limit_near
    WHERE limit_id = '${limitId}' AND status != 'running'`;
  type Row = Record<'run_id' | 'status' | 'reserved' | 'settled' | 'ceiling', string> & {
    taken: string | null;
    near: boolean | number;
  };
  return (await askClickHouse<Row>(hoc.engines.CLICKHOUSE_URL, sql)).map((row) => ({
    runId: row.run_id,
    status: row.status,
    limitId,
    reserved: BigInt(row.reserved),
    settled: BigInt(row.settled),
    taken: row.taken === null ? null : BigInt(row.taken),
    ceiling: BigInt(row.ceiling),
    near: Boolean(row.near),
  }));
}

/** How a limit was used over all runs: what was settled, how far runs passed their reservation, and the fullest reading. */
export function sumCharges(charges: readonly RecordedCharge[]): {
  settled: bigint;
  overrun: bigint;
  fullest: bigint;
  admitted: number;
} {
  const admitted = charges.filter((charge) => charge.status !== 'blocked');
  const sum = (values: readonly bigint[]) => values.reduce((total, value) => total + value, 0n);
  const excess = admitted.map(({ settled, reserved }) => (settled > reserved ? settled - reserved : 0n));
  return {
    settled: sum(admitted.map((charge) => charge.settled)),
    overrun: sum(excess),
    fullest: admitted.reduce((most, { taken }) => (taken !== null && taken > most ? taken : most), 0n),
    admitted: admitted.length,
  };
}
