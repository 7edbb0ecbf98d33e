import { createClient } from '@clickhouse/client';

export const insert = createClient;
