import ts from 'typescript';
import { isTest as isTestSource } from '../layers/paths.mjs';
import { isFunction, lineOf, linesOf, nameOf, walk } from './tree.mjs';

const maxFileLines = 400;
const maxFunctionLines = 50;
const maxParameters = 3;

const isTest = (path) => isTestSource(path) || path.endsWith('.test.mjs');
const isData = (path) => /(^|\/)(migrations|generated|fixtures|planted)\//.test(path) || /\.generated\.ts$/.test(path);
const isCode = (path) => /\.(ts|tsx|mjs)$/.test(path) && !isData(path);
const isProduct = (path) =>
  /^(proxy|policy|storage|console|cli|bench)\/.*\.tsx?$/.test(path) && !isTest(path) && !isData(path);

const isExported = (node) => node.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) ?? false;
const hasDocstring = (node) => (ts.getJSDocCommentsAndTags(node)?.length ?? 0) > 0;

/** A function whose parameters are ours to choose: declared or assigned to a name, not handed to a library's interface. */
function isOurs(node) {
  if (ts.isFunctionDeclaration(node)) return true;
  return (ts.isArrowFunction(node) || ts.isFunctionExpression(node)) && ts.isVariableDeclaration(node.parent);
}

function exportedFunctions(statement) {
  if (!isExported(statement)) return [];
  if (ts.isFunctionDeclaration(statement)) return [statement];
  if (!ts.isVariableStatement(statement)) return [];
  return statement.declarationList.declarations.filter(({ initializer }) => initializer && isFunction(initializer));
}

export const shapeRules = [
  {
    id: 'HOC-SOURCE-4',
    title: `A file has at most ${maxFileLines} lines`,
    reason: 'Someone new reads a file once, top to bottom.',
    instead: 'Split it by what changes together. Tests, migrations, generated code and fixtures are exempt.',
    applies: (path) => isCode(path) && !isTest(path),
    find: ({ text }) => {
      const lines = text.replace(/\n$/, '').split('\n').length;
      return lines > maxFileLines ? [{ line: maxFileLines + 1, what: `has ${lines} lines` }] : [];
    },
  },
  {
    id: 'HOC-SOURCE-5',
    title: `A function has at most ${maxFunctionLines} lines`,
    reason: 'What does not fit on a screen is not seen whole.',
    instead: 'Keep the order of steps in the parent and move each step into a function of its own. Tests are exempt.',
    applies: (path) => isCode(path) && !isTest(path),
    find: (file) =>
      walk(file.tree)
        .filter((node) => isFunction(node) && linesOf(file, node) > maxFunctionLines)
        .map((node) => ({ line: lineOf(file, node), what: `${nameOf(node)} has ${linesOf(file, node)} lines` })),
  },
  {
    id: 'HOC-SOURCE-6',
    title: `A function of ours takes at most ${maxParameters} parameters`,
    reason: 'Four values in a row are mixed up without the compiler noticing.',
    instead: 'Take one object with named fields. Methods that fit an interface of a library are exempt.',
    applies: (path) => isCode(path) && !isTest(path),
    find: (file) =>
      walk(file.tree)
        .filter((node) => isFunction(node) && isOurs(node) && node.parameters.length > maxParameters)
        .map((node) => ({
          line: lineOf(file, node),
          what: `${nameOf(node)} takes ${node.parameters.length} parameters`,
        })),
  },
  {
    id: 'HOC-SOURCE-7',
    title: 'Every exported function has a docstring',
    reason: 'A caller reads the promise, the units and the failures, not the body.',
    instead: 'Say what it promises, why, in which units, and what it does on failure.',
    applies: isProduct,
    find: (file) =>
      file.tree.statements
        .flatMap((statement) => exportedFunctions(statement).map((node) => ({ statement, node })))
        .filter(({ statement, node }) => !hasDocstring(statement) && !hasDocstring(node))
        .map(({ node }) => ({
          line: lineOf(file, node),
          what: `${node.name?.getText() ?? 'a function'} has no docstring`,
        })),
  },
  {
    id: 'HOC-SOURCE-8',
    title: 'No default export outside configuration',
    reason: 'A name that every importer chooses anew cannot be searched for.',
    instead: 'Export it by name.',
    applies: (path) => isCode(path) && !/(^|\/)[^/]+\.config\.(ts|mjs)$/.test(path),
    find: (file) =>
      file.tree.statements
        .filter(
          (node) =>
            ts.isExportAssignment(node) || node.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.DefaultKeyword),
        )
        .map((node) => ({ line: lineOf(file, node), what: 'exports a default' })),
  },
];
