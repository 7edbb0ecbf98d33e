import ts from 'typescript';

/** Reads one source text into the form that the rules look at. `path` is relative to the project's root. */
export function parse(path, text) {
  const kind = path.endsWith('x') ? ts.ScriptKind.TSX : /js$/.test(path) ? ts.ScriptKind.JS : ts.ScriptKind.TS;
  return { path, text, tree: ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true, kind) };
}

/** Every node of the tree below `node`, parents first; comments and punctuation are not nodes. */
export function walk(node) {
  const found = [node];
  for (let next = 0; next < found.length; next += 1) ts.forEachChild(found[next], (child) => void found.push(child));
  return found;
}

/** 1-based line of a node's first token. */
export function lineOf(file, node) {
  return file.tree.getLineAndCharacterOfPosition(node.getStart(file.tree)).line + 1;
}

/** Lines from a node's first token to its last. */
export function linesOf(file, node) {
  const last = file.tree.getLineAndCharacterOfPosition(node.getEnd()).line + 1;
  return last - lineOf(file, node) + 1;
}

/** Whether a node is a function of any form with a body. */
export function isFunction(node) {
  return ts.isFunctionLike(node) && 'body' in node && node.body !== undefined;
}

/** The name under which a person would look for a function. */
export function nameOf(node) {
  const named =
    node.name ??
    (ts.isVariableDeclaration(node.parent) || ts.isPropertyAssignment(node.parent) ? node.parent.name : null);
  return named ? named.getText() : 'an unnamed function';
}

/** The dotted text of a name or of a chain of property reads (`process.env`), or null for anything else. */
export function dotted(node) {
  if (ts.isIdentifier(node)) return node.text;
  if (!ts.isPropertyAccessExpression(node)) return null;
  const left = dotted(node.expression);
  return left === null ? null : `${left}.${node.name.text}`;
}
