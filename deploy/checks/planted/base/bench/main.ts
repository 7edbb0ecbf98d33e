import autocannon from 'autocannon';
import { decide } from '../policy/rules/index.ts';

export const bench = [autocannon, decide];
