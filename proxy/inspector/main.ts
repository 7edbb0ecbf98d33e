import { parentPort } from 'node:worker_threads';
import { type InspectionJob, inspectTexts } from '../../policy/detectors/index.ts';

/** One thread that looks through long texts, so that the event loop of the proxy goes on meanwhile. */
parentPort?.on('message', (job: InspectionJob) => {
  try {
    parentPort?.postMessage({ inspection: inspectTexts(job) });
  } catch (error) {
    parentPort?.postMessage({ failure: error instanceof Error ? error.message : 'failed' });
  }
});
