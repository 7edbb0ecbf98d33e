import * as violation from '../console/operations/list-runs.ts';
import { contract } from '../console/contract/client.ts';

export const runs = contract;

export const planted = violation;
