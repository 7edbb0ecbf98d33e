import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { ruleTable } from './rule-table.mjs';

const project = fileURLToPath(new URL('../../', import.meta.url));
const read = (path) => readFileSync(join(project, path), 'utf8');
const decisions = readdirSync(join(project, 'deploy/decisions')).filter((name) => name.endsWith('.md'));

t.test('ARCHITECTURE.md lists every rule of the checks with its reason, and no other', async (t) => {
  t.ok(read('ARCHITECTURE.md').includes(ruleTable()), 'print the table with: node deploy/checks/rule-table.mjs');
  t.equal(read('ARCHITECTURE.md').match(/^\| HOC-/gm)?.length, ruleTable().match(/^\| HOC-/gm)?.length);
});

t.test('decision records are numbered without a gap and have the same four parts', async (t) => {
  const numbers = decisions.map((name) => Number(name.slice(0, 4)));
  t.same(
    numbers,
    numbers.map((_, index) => index + 1),
  );
  for (const name of decisions) {
    const headings = read(`deploy/decisions/${name}`).match(/^## .+$/gm);
    t.same(headings, ['## Context', '## Decision', '## Consequences', '## Weighed'], name);
  }
});

t.test('every file that a document links to exists', async (t) => {
  const documents = ['ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md'];
  for (const document of [...documents, ...decisions.map((name) => `deploy/decisions/${name}`)]) {
    for (const [, target] of read(document).matchAll(/\]\((?!https?:|mailto:|#)([^)#]+)/g)) {
      t.ok(existsSync(join(project, dirname(document), target)), `${document} links to ${target}`);
    }
  }
});
