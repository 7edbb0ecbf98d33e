import { contract } from '../contract/client.ts';

export const listRuns = contract;
