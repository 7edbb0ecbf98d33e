import { insert } from '../../storage/clickhouse/index.ts';
import { ship } from './ship.ts';

export const runShipper = [insert, ship];
