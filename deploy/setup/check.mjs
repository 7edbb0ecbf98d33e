import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * `npm run check`: types, layers, rules over single files, dead code, lint and format. Every step runs even where an
 * earlier one failed, two at a time; the exit code is 1 where any step failed.
 */
const project = fileURLToPath(new URL('../../', import.meta.url));
const tool = (path) => `${project}node_modules/${path}`;

const steps = [
  // The compiler's memory is the build's own: what either has checked, the other does not check again.
  { name: 'types', command: tool('typescript/bin/tsc'), args: ['--noEmit', '--pretty', 'false'] },
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

/** Runs the steps, at most two at once, begun in their order (the longest first), and prints each as it ends. */
async function runAll() {
  const waiting = [...steps];
  const failed = [];
  const lane = async () => {
    for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
      const { passed, signal, seconds, output } = await runStep(step);
      console.log(`${passed ? 'ok    ' : 'FAILED'} ${step.name} (${seconds} s)${signal ? `, ended by ${signal}` : ''}`);
      if (output !== '' && !passed) console.log(output.replace(/^/gm, '  '));
      if (!passed) failed.push(step.name);
    }
  };
  await Promise.all([lane(), lane()]);
  return failed;
}

async function main() {
  if (!existsSync(tool('typescript/bin/tsc'))) {
    console.error('The libraries are not installed. Run: npm ci');
    process.exitCode = 1;
    return;
  }
  const failed = await runAll();
  console.log(failed.length === 0 ? 'check: all passed' : `check: failed: ${failed.join(', ')}`);
  process.exitCode = failed.length === 0 ? 0 : 1;
}

await main();
