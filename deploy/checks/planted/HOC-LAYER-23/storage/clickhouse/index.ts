import * as violation from 'chdb';
import { createClient } from '@clickhouse/client';

export const insert = createClient;

export const planted = violation;
