import * as violation from 'node:crypto';
export interface Run {
  id: string;
}

export const planted = violation;
