import * as violation from '../../proxy/pipeline/order.ts';
import { decide } from '../../policy/rules/index.ts';
import { contract } from '../contract/client.ts';

export const listRuns = [decide, contract];

export const planted = violation;
