import { contract } from '../contract/client.ts';

export const app = contract;

export const total = [1, 2, 3].reduce((sum, value) => sum + value, 0);
