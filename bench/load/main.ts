import { createInterface } from 'node:readline';
import autocannon from 'autocannon';
import { percentile } from '../median.ts';
import type { LoadJob, LoadResult } from './job.ts';

/**
 * The load generator, a process of its own for all contenders and rounds: its cost is the same for each of them, and it is
 * warm after the first. Reads one job a line, answers one result a line.
 */
for await (const line of createInterface({ input: process.stdin })) {
  const result = await runLoad(JSON.parse(line) as LoadJob);
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

/**
 * Keeps `connections` requests under way for `seconds` and then lets each end: nothing is cut, so that what was sent is
 * what was answered. The rate counts from the first request to the deadline. Latency is kept per request in a float,
 * because whole milliseconds say nothing at one connection.
 */
function runLoad(job: LoadJob): Promise<LoadResult> {
  const latenciesMs: number[] = [];
  const deadlineMs = performance.now() + job.seconds * 1000;
  let inTime = 0;
  const options = {
    url: job.url,
    method: 'POST' as const,
    headers: { ...job.headers },
    body: job.body,
    connections: job.connections,
    // The deadline ends the run through the clients; this only bounds a contender that stops answering.
    duration: job.seconds + 20,
    sampleInt: 50,
    timeout: 10,
  };
  return new Promise((resolve, reject) => {
    const tracker = autocannon(options, (error, { errors, non2xx }) => {
      if (error !== null) return reject(error);
      latenciesMs.sort((a, b) => a - b);
      resolve({
        answered: latenciesMs.length,
        failed: errors,
        non2xx,
        rps: inTime / job.seconds,
        p50Ms: percentile(latenciesMs, 50),
        p99Ms: percentile(latenciesMs, 99),
      });
    });
    tracker.on('response', (client, _statusCode, _bytes, durationMs) => {
      latenciesMs.push(durationMs);
      const isInTime = performance.now() < deadlineMs;
      if (isInTime) inTime += 1;
      if (!isInTime || latenciesMs.length >= (job.enough ?? Number.POSITIVE_INFINITY))
        client.responseMax = client.reqsMade;
    });
  });
}
