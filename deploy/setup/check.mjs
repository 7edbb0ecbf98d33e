import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * `npm run check`: types, layers, rules over single files, dead code, lint and format. Every step runs even where an
 * earlier one failed; two at a time, printed in order; the exit code is 1 where any step failed.
 */
const project = fileURLToPath(new URL('../../', import.meta.url));
const tool = (path) => `${project}node_modules/${path}`;

const steps = [
  {
    name: 'types',
    command: tool('typescript/bin/tsc'),
    args: ['--noEmit', '--pretty', 'false', '--tsBuildInfoFile', '.cache/tsbuildinfo-check'],
  },
  { name: 'layers', command: `${project}deploy/checks/cruise.mjs`, args: [] },
  { name: 'single files', command: `${project}deploy/checks/sources.mjs`, args: [] },
  { name: 'dead code', command: tool('knip/bin/knip.js'), args: ['--no-progress', '--no-config-hints'] },
  { name: 'lint and format', command: tool('@biomejs/biome/bin/biome'), args: ['check', '--error-on-warnings', '.'] },
];

function runStep({ command, args }) {
  const startedMs = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [command, ...args], { cwd: project, stdio: ['ignore', 'pipe', 'pipe'] });
    const output = [];
    child.stdout.on('data', (chunk) => output.push(chunk));
    child.stderr.on('data', (chunk) => output.push(chunk));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
      resolve({ passed: code === 0, signal, seconds, output: Buffer.concat(output).toString('utf8').trim() });
    });
  });
}

/** Starts the steps in order, at most two at once, and answers one promise a step. */
function runAll() {
  const lanes = [Promise.resolve(), Promise.resolve()];
  return steps.map((step, index) => {
    // Types take as long as all the rest together, so they have a lane of their own.
    const lane = index === 0 ? 0 : 1;
    const result = lanes[lane].then(() => runStep(step));
    lanes[lane] = result;
    return result;
  });
}

async function main() {
  if (!existsSync(tool('typescript/bin/tsc'))) {
    console.error('The libraries are not installed. Run: npm ci');
    process.exitCode = 1;
    return;
  }
  const failed = [];
  for (const [index, result] of runAll().entries()) {
    const { name } = steps[index];
    const { passed, signal, seconds, output } = await result;
    console.log(`${passed ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)${signal ? `, ended by ${signal}` : ''}`);
    if (output !== '' && !passed) console.log(output.replace(/^/gm, '  '));
    if (!passed) failed.push(name);
  }
  console.log(failed.length === 0 ? 'check: all passed' : `check: failed: ${failed.join(', ')}`);
  process.exitCode = failed.length === 0 ? 0 : 1;
}

await main();
