import { contract } from '../contract/client.ts';
import { listRuns } from '../operations/run-service.ts';

export const runs = [contract, listRuns];
