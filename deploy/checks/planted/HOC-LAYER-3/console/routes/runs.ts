import * as violation from '../../storage/postgres/index.ts';
import { contract } from '../contract/client.ts';
import { listRuns } from '../operations/list-runs.ts';

export const runs = [contract, listRuns];

export const planted = violation;
