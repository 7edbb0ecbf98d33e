import { decide } from './index.ts';

export const decideRun = decide;
