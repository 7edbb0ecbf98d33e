import { contract } from '../contract/client.ts';

export const app = contract;
