import { contract } from '../contract/client.ts';
import { listRuns } from '../operations/list-runs.ts';

export const runs = [contract, listRuns];
