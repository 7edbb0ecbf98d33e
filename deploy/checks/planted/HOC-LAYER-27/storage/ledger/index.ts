import * as violation from 'yaml';

export const planted = violation;
