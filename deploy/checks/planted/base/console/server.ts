import Fastify from 'fastify';
import { runs } from './routes/runs.ts';

/** Stands for its layer. */
export const serve = () => [Fastify, runs];
