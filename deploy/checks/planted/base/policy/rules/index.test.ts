import t from 'tap';
import { read } from '../../storage/postgres/index.ts';
import { decide } from './index.ts';

t.pass('a test may import all', { read, decide });
