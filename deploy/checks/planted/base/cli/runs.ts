import { contract } from '../console/contract/client.ts';

export const runs = contract;
