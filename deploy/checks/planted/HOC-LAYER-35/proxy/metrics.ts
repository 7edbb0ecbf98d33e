import * as violation from '../storage/redis/index.ts';

export const planted = violation;
