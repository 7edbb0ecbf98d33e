import { createHash } from 'node:crypto';

/** Stands for its layer. */
export const hash = (text: string) => createHash('sha256').update(text).digest('hex');

export const now = Date.now();
