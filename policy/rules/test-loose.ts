import { type BuildState, LogicEngine, type Method } from 'json-logic-engine';
import { code, sync } from './code.ts';
import { operatorTable } from './operators.ts';
import { listTests } from './operators-list.ts';

/**
 * Runs a rule that was never checked on the very operators of policies, with JSON Logic's own reading of data (paths, null
 * for what is not there) in place of the fact table's. For tests: it shows what the checker keeps away from the operators.
 * What throws is null, as JSON Logic has it.
 */
export function runLoosely(rule: unknown, data: unknown): unknown {
  try {
    return engine.build(rename(rule, 'context'))(data) ?? null;
  } catch {
    return null;
  }
}

const engine = makeEngine();

type Scope = 'context' | 'item' | 'reduce';

function makeEngine(): LogicEngine {
  const made = new LogicEngine({}, { disableInline: true, disableInterpretedOptimization: true });
  const methods: Record<string, Method> = Object.create(null);
  for (const [name, { write }] of operatorTable) methods[name] = { lazy: true, deterministic: false, compile: write };
  const scopes = { context: 'context', item: 'item', reduce: '({ current, accumulator })' };
  for (const [scope, text] of Object.entries(scopes)) {
    methods[`read ${scope}`] = {
      lazy: true,
      deterministic: false,
      compile: ([path, fallback]: readonly unknown[], state: BuildState) =>
        state.compile`${read}(${code(text)}, ${path ?? ''}, ${fallback ?? null})`,
    };
  }
  methods.missing = {
    lazy: true,
    deterministic: false,
    compile: (args, state) => state.compile`${listMissing}(context, [${args[0]}])`,
  };
  made.methods = methods;
  return made;
}

const read = sync((data: unknown, path: unknown, fallback: unknown): unknown => {
  if (path === '' || path === null) return data;
  let at = data;
  for (const key of String(path).split('.')) {
    at = typeof at === 'object' && at !== null && Object.hasOwn(at, key) ? (at as Record<string, unknown>)[key] : null;
  }
  return at ?? fallback;
});

const listMissing = sync((data: unknown, names: readonly unknown[]): unknown[] =>
  names.flat(2).filter((name) => [null, ''].some((nothing) => nothing === read(data, name, null))),
);

/** The rule with `var` named after where it stands, and every single argument in a list. */
function rename(rule: unknown, scope: Scope): unknown {
  if (Array.isArray(rule)) return rule.map((item) => rename(item, scope));
  if (typeof rule !== 'object' || rule === null) return rule;
  const [[name, value] = ['', null]] = Object.entries(rule);
  const args = (Array.isArray(value) ? value : [value]) as readonly unknown[];
  if (name === 'var') return { [`read ${scope}`]: args.map((arg) => rename(arg, scope)) };
  const inner = name === 'reduce' ? 'reduce' : 'item';
  return { [name]: args.map((arg, i) => rename(arg, listTests.has(name) && i === 1 ? inner : scope)) };
}
