import { decide } from '../../policy/rules/index.ts';
import { contract } from '../contract/client.ts';

export const listRuns = [decide, contract];
