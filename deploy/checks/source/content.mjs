import ts from 'typescript';
import { isTest } from '../layers/paths.mjs';
import { dotted, lineOf, walk } from './tree.mjs';

const isCode = (path) => /\.tsx?$/.test(path) && !isTest(path);
const isEngine = (path) => /^(policy|proxy\/dialects)\/.*\.ts$/.test(path) && !isTest(path);
const isRoot = (path) => /(^|\/)main\.ts$/.test(path);

/** What an engine may not name: a global that answers differently from one moment or machine to the next. */
const impure =
  /^(globalThis\.)?(Date\.now|performance|process|Math\.random|set(Timeout|Interval|Immediate)|queueMicrotask|fetch|console|crypto)$/;
/** What an engine may not take from node:crypto: everything that draws randomness. */
const random = /^(random|generate|getRandomValues|webcrypto|subtle|createDiffieHellman|createECDH)/;

function impureName(node) {
  if (ts.isNewExpression(node) && node.expression.getText() === 'Date' && (node.arguments?.length ?? 0) === 0)
    return 'new Date()';
  if (ts.isCallExpression(node) && node.expression.getText() === 'Date') return 'Date()';
  if (ts.isImportSpecifier(node) && random.test((node.propertyName ?? node.name).text)) return node.name.text;
  if (ts.isPropertyAccessExpression(node) && random.test(node.name.text) && /crypto/i.test(node.expression.getText()))
    return node.getText();
  const name = dotted(node);
  if (name === null || !impure.test(name)) return null;
  // `x.console` and `{ process: ... }` name a field, not the global.
  const parent = node.parent;
  const isField =
    (ts.isPropertyAccessExpression(parent) && parent.name === node) ||
    ((ts.isPropertyAssignment(parent) || ts.isPropertySignature(parent) || ts.isBindingElement(parent)) &&
      parent.name === node);
  return isField || ts.isTypeNode(parent) ? null : name;
}

/** An import whose target the layer check cannot read. */
function hiddenImport(node) {
  if (!ts.isCallExpression(node)) return null;
  const isImport = node.expression.kind === ts.SyntaxKind.ImportKeyword;
  const isRequire = ts.isIdentifier(node.expression) && node.expression.text === 'require';
  if (isRequire) return 'require()';
  // What is called `require` is seen by its calls above; under another name it would not be.
  const isSeen = ts.isVariableDeclaration(node.parent) && node.parent.name.getText() === 'require';
  const isResolve = ts.isPropertyAccessExpression(node.parent) && node.parent.name.text === 'resolve';
  if (node.expression.getText() === 'createRequire' && !isSeen && !isResolve) return 'createRequire()';
  return isImport && !ts.isStringLiteralLike(node.arguments[0]) ? 'import() of a computed name' : null;
}

const named = (file, nameOf) =>
  walk(file.tree)
    .map((node) => ({ node, what: nameOf(node) }))
    .filter(({ what }) => what !== null)
    .map(({ node, what }) => ({ line: lineOf(file, node), what: `uses ${what}` }));

export const contentRules = [
  {
    id: 'HOC-SOURCE-9',
    title: 'Only main.ts reads the environment',
    reason:
      'A setting that is read deep inside is in no list, cannot be checked at start and cannot differ between two tests.',
    instead: 'Read it in main.ts, check it there, and pass it in.',
    applies: (path) => isCode(path) && !isRoot(path),
    find: (file) => named(file, (node) => (dotted(node) === 'process.env' ? 'process.env' : null)),
  },
  {
    id: 'HOC-SOURCE-10',
    title: 'Engines have no clock, randomness, timers, environment or globals that do I/O',
    reason: 'Replay gives the same digest only where the inputs are all there is.',
    instead: 'Take the instant, the id or the value as a parameter; the operation owns clock, ids and randomness.',
    applies: isEngine,
    find: (file) => named(file, impureName),
  },
  {
    id: 'HOC-SOURCE-11',
    title: 'Screens compute no sum',
    reason: 'A figure that is made in the browser cannot be proved, and two screens will differ.',
    instead: 'Let the operation answer the figure; the screen shows it.',
    applies: (path) => /^console\/web\/.*\.tsx?$/.test(path) && !isTest(path),
    find: (file) =>
      named(file, (node) => {
        if (!ts.isCallExpression(node)) return null;
        const call = node.expression.getText();
        return call === 'BigInt' || /\.reduce(Right)?$/.test(call) ? call.replace(/^.*\./s, '') : null;
      }),
  },
  {
    id: 'HOC-SOURCE-12',
    title: 'Every import can be read',
    reason: 'An import with a computed name passes under every rule of the layer table.',
    instead: 'Write the name as a literal.',
    applies: isCode,
    find: (file) => named(file, hiddenImport),
  },
];
