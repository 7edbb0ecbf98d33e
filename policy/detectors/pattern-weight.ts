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

/** Steps of a walk: enough to fill the longest repetitions that are cheap enough to stand. */
const steps = 320;
/** Characters that are tried at each step, and that a walk chooses from. */
const tries = 4;
const mostRunes = 32;
/** Different states after which an automaton is taken for one that never knows them all. */
const mostStates = 200;
/** Hundredths of a unit that each instruction costs which is looked at for a character. */
const costOfInstruction = 70;
/** Of the automaton that is made in vain before RE2 does without one. */
const wildBase = 10;

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
 * What a pattern costs at worst. Instead of a clock, which would tell each machine something else, its program is walked with characters of its own: those that
 * keep the most of it busy, for what RE2 takes without an automaton, and any, for how many states the automaton has. Calibrated on Node 20 (2 cores,
 * Debian 12) with what re2js takes; the same for a pattern always. A pattern that RE2 refuses throws as re2js does.
 */
export function weighPattern(pattern: string): PatternWeight {
  const found = known.get(pattern) ?? weigh(RE2JS.compile(pattern).re2().prog as unknown as Program);
  known.delete(pattern);
  known.set(pattern, found);
  if (known.size > mostKnown) for (const [oldest] of [...known].slice(0, 1)) known.delete(oldest);
  return found;
}

function weigh(program: Program): PatternWeight {
  const runes = listRunes(program);
  if (!isWild(program, runes)) return { weight: 1, isWild: false };
  return { weight: wildBase + Math.ceil((countBusy(program, runes) * costOfInstruction) / 100), isWild: true };
}

/** Most instructions that one character may keep busy, sought greedily. */
function countBusy(program: Program, runes: readonly number[]): number {
  const draw = makeDraw();
  let state = close(program, [program.start]);
  let most = state.size;
  for (let step = 0; step < steps; step += 1) {
    let best: Set<number> | null = null;
    for (let one = 0; one < tries; one += 1) {
      const next = advance(program, state, runes[draw() % runes.length] ?? 0);
      if (best === null || next.size > best.size) best = next;
    }
    state = best ?? state;
    most = Math.max(most, state.size);
  }
  return most;
}

/** Whether a walk keeps coming to states that it has not seen. */
function isWild(program: Program, runes: readonly number[]): boolean {
  const draw = makeDraw();
  const seen = new Set<string>();
  let state = close(program, [program.start]);
  for (let step = 0; step < steps; step += 1) {
    state = advance(program, state, runes[draw() % runes.length] ?? 0);
    seen.add([...state].sort((a, b) => a - b).join(' '));
    if (seen.size > mostStates) return true;
  }
  return false;
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
