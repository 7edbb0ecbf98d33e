import { RE2JS } from 're2js';

/** Instruction of a compiled pattern, as far as it is walked here. */
interface Instruction {
  op: number;
  out: number;
  arg: number;
  runes?: ArrayLike<number> | null;
  matchRune(rune: number): boolean;
}

interface Program {
  start: number;
  inst: readonly Instruction[];
}

/** Operations of re2js: those that lead on without a character. All others read one, or end. */
const operations = { either: [1, 2], through: [3, 4, 7], reads: [8, 9, 10, 11] } as const;

/** Steps of a walk, and instructions that all of them together may look at: about 3 ms. */
const mostSteps = 320;
const mostLooks = 30_000;
/** Characters that are tried at a step until one keeps the program busy. */
const tries = 4;
const mostRunes = 32;
/** Bytes of an automaton, as re2js counts them, above which one is taken for endless. */
const mostBytes = 128 * 1024;
const bytesOfState = 200;
const bytesOfEntry = 8;
/** Hundredths of a unit that an instruction costs for each character where RE2 does without an automaton. */
const costOfInstruction = 140;

/** What a pattern costs at worst. */
export interface PatternWeight {
  /** Units of 10 us for 1,024 characters of a text that is made for it; 1 for a pattern whose automaton is soon complete. */
  weight: number;
  /** Whether hostile texts make ever new states of its automaton, so that it shares none with others. */
  isWild: boolean;
}

const known = new Map<string, PatternWeight>();
const mostKnown = 8_192;

/**
 * What a pattern costs at worst. RE2 makes an automaton as it reads; where hostile texts always lead it to new states, it gives up and follows
 * all beginnings at once, which was the fastest it can do there: a larger automaton costs three times as much in vain, and one of none costs
 * the same and makes ordinary texts ten times slower. So the question is whether the automaton is complete soon. A clock would tell each machine
 * something else: the program is walked with characters of its own, always the same, and weighed by its instructions where it is endless.
 * Calibrated on Node 20 (2 cores, Debian 12). A pattern that RE2 refuses throws as re2js does.
 */
export function weighPattern(pattern: string): PatternWeight {
  const found = known.get(pattern) ?? weigh(RE2JS.compile(pattern).re2().prog as unknown as Program);
  known.delete(pattern);
  known.set(pattern, found);
  if (known.size > mostKnown) for (const [oldest] of [...known].slice(0, 1)) known.delete(oldest);
  return found;
}

function weigh(program: Program): PatternWeight {
  const isWild = isEndless(program, listRunes(program));
  return { weight: isWild ? Math.ceil((program.inst.length * costOfInstruction) / 100) : 1, isWild };
}

/** Whether a walk with drawn characters, those passed over that let most of the program rest, keeps coming to new states or makes too many. */
function isEndless(program: Program, runes: readonly number[]): boolean {
  const draw = makeDraw();
  const seen = new Map<number, number>();
  const fresh: boolean[] = [];
  let state = close(program, [program.start]);
  let bytes = 0;
  for (let looks = 0; fresh.length < mostSteps && looks < mostLooks; looks += state.size) {
    let next = advance(program, state, runes[draw() % runes.length] ?? 0);
    for (let more = 1; more < tries && next.size * 4 < state.size * 3; more += 1) {
      looks += state.size;
      next = advance(program, state, runes[draw() % runes.length] ?? 0);
    }
    state = next;
    const name = hashOf(state);
    fresh.push(seen.get(name) !== state.size);
    if (fresh.at(-1) === true) bytes += bytesOfState + bytesOfEntry * (state.size + runes.length);
    seen.set(name, state.size);
  }
  const late = fresh.slice(fresh.length / 2);
  return bytes > mostBytes || late.filter(Boolean).length * 4 > late.length;
}

/** The same number for the same places, in whatever order. */
function hashOf(state: ReadonlySet<number>): number {
  let [one, other] = [0, 0];
  for (const at of state) {
    const mixed = Math.imul(at + 1, 0x9e3779b1);
    one = (one + (mixed ^ (mixed >>> 15))) >>> 0;
    other = (other + Math.imul(mixed ^ (mixed >>> 13), 0x85ebca6b)) & 0xfffff;
  }
  return one * 0x100000 + other;
}

function advance(program: Program, state: ReadonlySet<number>, rune: number): Set<number> {
  const next = [program.start];
  for (const at of state) {
    const instruction = program.inst[at];
    if (instruction !== undefined && isOneOf(operations.reads, instruction.op) && instruction.matchRune(rune)) {
      next.push(instruction.out);
    }
  }
  return close(program, next);
}

/** All that is reached without a character; conditions on what stands around count as met. */
function close({ inst }: Program, from: readonly number[]): Set<number> {
  const reached = new Set<number>();
  const left = [...from];
  for (let at = left.pop(); at !== undefined; at = left.pop()) {
    const instruction = inst[at];
    if (instruction === undefined || reached.has(at)) continue;
    reached.add(at);
    if (isOneOf(operations.either, instruction.op)) left.push(instruction.out, instruction.arg);
    else if (isOneOf(operations.through, instruction.op)) left.push(instruction.out);
  }
  return reached;
}

function isOneOf(list: readonly number[], op: number): boolean {
  return list.includes(op);
}

/** Characters that the pattern tells apart, evenly over its program: the first of each range, and some of ordinary texts. */
function listRunes({ inst }: Program): readonly number[] {
  const all = [...new Set(inst.flatMap(({ runes }) => Array.from(runes ?? []).slice(0, 8)))];
  const every = Math.max(1, Math.ceil(all.length / mostRunes));
  return [...all.filter((_, index) => index % every === 0), 0x61, 0x20, 0x31];
}

/** Numbers that look drawn and are the same each time: a linear congruential generator. */
function makeDraw(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state >>> 8;
  };
}
