import type { StartInfo, StartReport } from '../supervisor/main.ts';
import { formatFindings } from './errors.ts';
import { neutraliseTerminal } from './terminal.ts';

/** How `hoc start` speaks: one JSON line on stdout for programs, or a short page for a person. Trouble goes to stderr. */
export function createStartReport(json: boolean): StartReport {
  const say = (text: string): void => {
    process.stderr.write(text);
  };
  return {
    ready(info) {
      const { pid, proxy, proxies, console: consoleUrl, admin } = info;
      if (!json) return void process.stdout.write(formatReady(info));
      if (info.firstKey !== null) say(`First key, shown once: ${info.firstKey}\n`);
      process.stdout.write(`${JSON.stringify({ ready: true, pid, proxy, proxies, console: consoleUrl, admin })}\n`);
    },
    note: (text) => say(`hoc: ${neutraliseTerminal(text)}\n`),
    alarm(message, findings) {
      const rule = '!'.repeat(72);
      say(`\n${rule}\n${neutraliseTerminal(message)}\n${formatFindings(findings)}${rule}\n\n`);
    },
  };
}

function formatReady(info: StartInfo): string {
  const seconds = `${(info.tookMs / 1000).toFixed(1)} s`;
  const lines = [
    '',
    `  HOC is ready (${seconds}).`,
    '',
    `  proxy     ${info.proxy}    point your SDK's base URL here`,
    ...info.proxies.slice(1).map((proxy) => `            ${proxy}`),
    `  console   ${info.console}`,
    `  metrics   ${info.admin}/metrics`,
    `  data      ${info.folder}`,
    '',
    ...(info.firstKey === null ? [] : firstSteps(info, info.firstKey)),
    '  Stop with Ctrl-C.',
    '',
  ];
  return `${lines.join('\n')}\n`;
}

function firstSteps(info: StartInfo, key: string): string[] {
  return [
    '  Your first key, shown once:',
    '',
    `      ${key}`,
    '',
    '  A governed run, with no internet needed:',
    '',
    `      curl ${info.proxy}/simulator/v1/chat/completions \\`,
    `        -H 'Authorization: Bearer ${key}' \\`,
    "        -H 'Content-Type: application/json' \\",
    `        -d '{"model":"sim-small","messages":[{"role":"user","content":"Hello"}]}'`,
    '',
    `  Then look at it:   ${commandName()} runs list${dataFlag(info.folder)}`,
    `  Add a provider:    edit ${info.folder}/hoc.yaml, then ${commandName()} apply -f ${info.folder}/hoc.yaml${dataFlag(info.folder)}`,
    '',
  ];
}

/** How this person can run the command line: as it was run now. */
function commandName(): string {
  const script = process.argv[1] ?? 'hoc';
  return script.endsWith('main.js') ? 'npx hoc' : 'hoc';
}

function dataFlag(folder: string): string {
  return folder === `${process.cwd()}/.hoc` ? '' : ` --data ${folder}`;
}
