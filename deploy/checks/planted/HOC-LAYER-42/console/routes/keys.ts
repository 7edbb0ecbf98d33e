import { contract } from '../contract/client.ts';

export const keys = contract;
