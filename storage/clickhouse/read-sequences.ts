import type { ClickHouse } from './connection.ts';
import { selectRows } from './select.ts';

/** The records of one proxy epoch. A platform matter: sequences run over all tenants of a proxy. */
export interface SequenceState {
  proxyId: string;
  proxyEpoch: number;
  firstSeq: number;
  lastSeq: number;
  /** Distinct records. */
  records: number;
  /** Ranges that are missing from 1 to `lastSeq`, both ends included; the first 100. */
  gaps: { from: number; to: number }[];
}

const mostGaps = 100;

/**
 * Reads how far each proxy epoch is recorded and what is missing in between: sequences are gapless from 1, so any gap is
 * a finding. What a proxy has not shipped yet lies behind `lastSeq` and is none. Rejects with HocError `engine_unavailable`.
 */
export async function readSequenceGaps(ch: ClickHouse): Promise<SequenceState[]> {
  const rows = await selectRows(ch, {
    sql: `SELECT proxy_id, proxy_epoch, min(proxy_seq), max(proxy_seq), count() FROM records FINAL
      GROUP BY proxy_id, proxy_epoch ORDER BY proxy_id, proxy_epoch`,
    batch: true,
  });
  const states: SequenceState[] = [];
  for (const [proxyId, epoch, first, last, count] of rows) {
    const state: SequenceState = {
      proxyId: String(proxyId),
      proxyEpoch: Number(epoch),
      firstSeq: Number(first),
      lastSeq: Number(last),
      records: Number(count),
      gaps: [],
    };
    if (state.records !== state.lastSeq) state.gaps = await readGaps(ch, state);
    states.push(state);
  }
  return states;
}

async function readGaps(ch: ClickHouse, state: SequenceState): Promise<SequenceState['gaps']> {
  const rows = await selectRows(ch, {
    sql: `SELECT previous + 1, seq - 1 FROM (
        SELECT seq, lagInFrame(seq, 1, toUInt64(0)) OVER (ORDER BY seq ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS previous
        FROM (SELECT DISTINCT proxy_seq AS seq FROM records
          WHERE proxy_id = {proxy_id:String} AND proxy_epoch = {proxy_epoch:UInt32})
      ) WHERE seq > previous + 1 ORDER BY seq LIMIT ${mostGaps}`,
    parameters: { proxy_id: state.proxyId, proxy_epoch: state.proxyEpoch },
    batch: true,
  });
  return rows.map(([from, to]) => ({ from: Number(from), to: Number(to) }));
}
