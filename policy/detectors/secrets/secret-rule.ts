import { HocError } from '../../../storage/schema/errors.ts';
import { isAlphanumeric, isMarkEdge } from '../characters.ts';
import type { Span } from '../detector.ts';
import { toNative } from '../native-pattern.ts';
import type { View } from '../view.ts';
import { isPlaceholder } from './placeholder.ts';

/** How one kind of secret is found: by a literal that stands in it or before it, and by the form from there on. */
export interface SecretRule {
  /** Whose secret it is. */
  name: string;
  /** Literals to search for; in lower case where `words` is true, when case does not matter. */
  literals: readonly string[];
  words?: boolean;
  /** RE2 expression from the literal on, of the kind that `toNative` takes. Its first group, where it has one, is the secret. */
  form: string;
  /** Whether a secret of this kind may follow a letter or digit without a break. */
  glued?: boolean;
  /** Whether what looks made up is taken too: where form or check tell enough. */
  plain?: boolean;
}

interface CompiledRule extends SecretRule {
  pattern: RegExp;
}

/** How far behind its literal a secret may end. No form below is longer. */
const longest = 1_200;

/** Finds secrets; `warm` compiles its rules one by one, so that whoever must not wait can do it before. */
export interface SecretFinder {
  (view: View): Span[];
  warm(): Generator<void, void>;
}

/** Makes a finder of rules. Each is compiled when first asked: a process that looks for no secrets pays nothing. */
export function compileRules(rules: readonly SecretRule[]): SecretFinder {
  const compiled: (CompiledRule | undefined)[] = rules.map(() => undefined);
  const at = (index: number, rule: SecretRule): CompiledRule => {
    compiled[index] ??= compileRule(rule);
    return compiled[index];
  };
  const find = (view: View) => {
    const found: Span[] = [];
    rules.forEach((rule, index) => {
      for (const span of findByRule(view, at(index, rule))) found.push(span);
    });
    return found;
  };
  return Object.assign(find, {
    *warm(): Generator<void, void> {
      for (const [index, rule] of rules.entries()) {
        at(index, rule);
        yield;
      }
    },
  });
}

function compileRule(rule: SecretRule): CompiledRule {
  const pattern = toNative(rule.words === true ? `(?i)${rule.form}` : rule.form, 'dy');
  if (pattern === null)
    throw new HocError({ code: 'internal', publicMessage: `the form of ${rule.name} does not compile` });
  return { ...rule, pattern };
}

/** Linear: each place of a literal looks at a bounded slice once. Most texts hold none of them: that has to be quick. */
function findByRule(view: View, rule: CompiledRule): Span[] {
  const found: Span[] = [];
  const text = rule.words === true ? view.lower : view.text;
  for (const literal of rule.literals) {
    for (let at = text.indexOf(literal); at !== -1; at = text.indexOf(literal, at + literal.length)) {
      if (rule.glued !== true && touches(view.text, at - 1)) continue;
      const span = matchAt(view, rule, at);
      if (span !== null) found.push(span);
    }
  }
  return found;
}

function matchAt(view: View, rule: CompiledRule, at: number): Span | null {
  rule.pattern.lastIndex = 0;
  const [whole, secret] = rule.pattern.exec(view.text.slice(at, at + longest))?.indices ?? [];
  if (whole === undefined) return null;
  const [from, to] = secret ?? whole;
  const [start, end] = [at + from, at + to];
  if (end <= start || touches(view.text, end)) return null;
  return rule.plain !== true && isPlaceholder(view.text.slice(start, end)) ? null : { start, end };
}

function touches(text: string, at: number): boolean {
  return isAlphanumeric(text, at) || isMarkEdge(text, at);
}
