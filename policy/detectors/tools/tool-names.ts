/**
 * Words in the names of tools that run code, write to the system, or destroy: a tool of that name deserves a look whatever its arguments.
 * Made by hand from the tools that agents and MCP servers offer.
 */
const dangerousWords = new Set(
  (
    'shell bash sh zsh cmd powershell terminal exec execute eval evaluate subprocess sudo root ssh kill killall shutdown reboot ' +
    'delete remove destroy drop truncate erase wipe purge rm rmdir unlink format uninstall overwrite ' +
    'interpreter repl'
  ).split(' '),
);
/** Words that make `run`, `delete` and others harmless: what they act on is a part of the conversation or of a view. */
const harmlessWords = new Set(
  'query search report test tests workflow filter draft bookmark favorite favourite reminder cart item duplicates whitespace label tag format_text'.split(
    ' ',
  ),
);
/** Words that are dangerous only with `run`, `execute` or `eval` before or behind them. */
const runWords = new Set(['run', 'execute', 'exec', 'eval', 'invoke']);
const runTargets = new Set([
  'command',
  'commands',
  'code',
  'script',
  'python',
  'javascript',
  'js',
  'sql',
  'process',
  'shell',
  'program',
  'binary',
]);

/** Whether the name of a tool says that it runs code or destroys. Names are split at capitals, `_`, `-`, `.`, `/` and `:`. */
export function isDangerousName(name: string): boolean {
  const words = splitName(name.slice(0, 128));
  if (words.some((word) => runWords.has(word)) && words.some((word) => runTargets.has(word))) return true;
  return words.some((word) => dangerousWords.has(word)) && !words.some((word) => harmlessWords.has(word));
}

function splitName(name: string): string[] {
  const words: string[] = [];
  let word = '';
  for (let at = 0; at < name.length; at += 1) {
    const unit = name.charAt(at);
    const capital = unit >= 'A' && unit <= 'Z';
    const letter = capital || (unit >= 'a' && unit <= 'z');
    const afterSmall = at > 0 && name.charAt(at - 1) >= 'a' && name.charAt(at - 1) <= 'z';
    if (!letter || (capital && afterSmall)) {
      if (word !== '') words.push(word);
      word = '';
    }
    if (letter) word += unit.toLowerCase();
  }
  return word === '' ? words : [...words, word];
}
