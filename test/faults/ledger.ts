/** What the simulator charged for one request. */
export interface Charge {
  /** The call's tag. */
  run_id: string | null;
  model: string;
  input_tokens: number;
  output_tokens: number;
  cached_input_tokens: number;
  cost_nano_usd: string;
  streamed: boolean;
  produced_output_tokens: number;
  finished: boolean;
}

/** The simulator's own account, one charge for each answer that it began. */
export async function readLedger(simulator: string): Promise<Charge[]> {
  const answer = await fetch(`${simulator}/simulator/ledger`);
  return ((await answer.json()) as { entries: Charge[] }).entries;
}
