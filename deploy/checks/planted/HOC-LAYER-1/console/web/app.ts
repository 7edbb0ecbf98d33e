import * as violation from '../../policy/rules/index.ts';
import { contract } from '../contract/client.ts';

export const app = contract;

export const planted = violation;
