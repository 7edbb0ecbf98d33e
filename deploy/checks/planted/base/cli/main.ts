import { runControl } from '../console/main.ts';
import { runWitness } from '../console/witness/main.ts';
import { runProxy } from '../proxy/main.ts';
import { runShipper } from '../proxy/shipper/main.ts';
import { runSimulator } from '../proxy/simulator/main.ts';
import { runFront } from '../storage/clickhouse/front/main.ts';
import { runs } from './runs.ts';
import { runStart } from './supervisor/main.ts';

export const commands = [runControl, runWitness, runProxy, runShipper, runSimulator, runFront, runs, runStart];
