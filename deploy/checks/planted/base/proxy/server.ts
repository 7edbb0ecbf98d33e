import Fastify from 'fastify';
import { relay } from './routes/relay.ts';

/** Stands for its layer. */
export const serve = () => [Fastify, relay];
