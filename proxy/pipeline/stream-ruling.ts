import type { Decision } from '../../storage/schema/decision.ts';
import type { StreamText } from '../dialects/dialect.ts';
import { StreamWindow, verdictEvery } from '../dialects/stream-window.ts';
import { type Cut, cutByPolicy } from './cut.ts';
import { type InspectedTexts, inspectPhase } from './inspect.ts';
import type { Intended } from './intent.ts';
import type { Contents } from './phase-texts.ts';
import { firstOf, type ReadFact } from './read-fact.ts';
import { bind, enterDecision, judge, type Question, refuseByDecision } from './rule.ts';
import type { Run } from './run.ts';

/** Most decisions of one stream that go on its record; policies that first match after those change nothing any more. */
const mostDecisions = 64;

/** How long the places of one piece may be asked about in one go: other runs wait behind it. */
const sliceUs = 4_000;
/** Of an event that brings more places than this, the others are asked about at every eighth: windows overlap by half. */
const nearPlaces = 16;

/** The place of a verdict in a stream. */
interface Place {
  /** Characters of its text so far. */
  characters: number;
  window: string;
  tools: readonly string[];
  /** Whether some text before this place could not be read. */
  incomplete: boolean;
  ended: boolean;
}

/** A place at which a verdict is due, in the event that begins at `from`. */
interface Due {
  from: number;
  place: Place;
}

/** Governance ends the stream before the event that begins at this offset. */
export interface StreamCut {
  from: number;
  cut: Cut;
}

/**
 * The policies of the stream phase on one stream: asked at every 256 characters of its text and at its end, on what lies
 * before that place and on nothing else, so that the way in which the provider cuts its stream into pieces changes nothing.
 *
 * On record goes the first decision at which each policy matched.
 */
export class StreamRuling {
  readonly #run: Run;
  readonly #permit: Intended;
  readonly #window = new StreamWindow();
  readonly #told = new Set<string>();
  #recorded = 0;
  #incomplete = false;
  #stopped = false;

  constructor(run: Run, permit: Intended) {
    this.#run = run;
    this.#permit = permit;
  }

  /**
   * Asks on what has come, place by place. `lost`: offset of the event from which on not all of the text is known. Null: it may
   * pass. A promise where a place takes a look by another thread, or where there are so many that others have to have their turn.
   */
  look(texts: readonly StreamText[], lost: number | null): StreamCut | null | Promise<StreamCut | null> {
    const due = texts.flatMap((text) => this.#listPlaces(text));
    if (lost !== null && !this.#incomplete) {
      this.#incomplete = true;
      const unknown = { characters: this.#window.total(), window: '', tools: [], incomplete: true, ended: false };
      due.push({ from: lost, place: unknown });
    }
    return due.length === 0 ? null : this.#askAll(due, 0);
  }

  /** The run has ended: nothing is asked any more. */
  stop(): void {
    this.#stopped = true;
  }

  #listPlaces({ from, text, tools, incomplete }: StreamText): readonly Due[] {
    const places = this.#window.feed(text).filter(isAsked);
    // From here on not all of the text is known: that is asked at once.
    if (incomplete && !this.#incomplete && places.length === 0) places.push(this.#window.total());
    this.#incomplete ||= incomplete;
    return places.map((characters) => {
      const window = this.#window.window(characters);
      return { from, place: { characters, window, tools, incomplete: this.#incomplete, ended: false } };
    });
  }

  #askAll(due: readonly Due[], first: number): StreamCut | null | Promise<StreamCut | null> {
    const { clock } = this.#run.gate;
    const startedUs = clock.nowUs();
    for (let at = first; at < due.length; at += 1) {
      const one = due[at];
      if (one === undefined || this.#stopped) break;
      const { from, place } = one;
      const cut = this.#ask(place);
      if (cut instanceof Promise)
        return cut.then((late) => (late === null ? this.#askAll(due, at + 1) : { from, cut: late }));
      if (cut !== null) return { from, cut };
      if (clock.nowUs() - startedUs > sliceUs && at + 1 < due.length)
        return nextTurn().then(() => this.#askAll(due, at + 1));
    }
    return null;
  }

  /** Asks on a stream of which no text can be told, before any of it passes. */
  askUnread(): Cut | null | Promise<Cut | null> {
    return this.#ask({ characters: 0, window: '', tools: [], incomplete: true, ended: false });
  }

  /** Asks once more, on the end of the text. */
  end(tools: readonly string[], incomplete: boolean): Cut | null | Promise<Cut | null> {
    const window = this.#window.window();
    return this.#ask({ characters: this.#window.total(), window, tools, incomplete, ended: true });
  }

  #ask(place: Place): Cut | null | Promise<Cut | null> {
    const contents = new Map([['stream.text', place.incomplete ? null : place.window]]);
    const inspected = inspectPhase(this.#run, this.#permit.identified.tenant.policies, {
      ...{ phase: 'stream', prefix: 'stream.detectors.', contents },
      texts: place.incomplete ? null : [place.window],
      extras: [],
      tools: { names: place.tools, argumentTexts: [] },
    });
    if (inspected instanceof Promise) return inspected.then((late) => this.#judge(place, contents, late));
    return this.#judge(place, contents, inspected);
  }

  #judge(place: Place, contents: Contents, inspected: InspectedTexts): Cut | null {
    const { identified, asked } = this.#permit;
    const read = firstOf(
      this.#run.readFact,
      readPlace(place),
      (name) => inspected.read(name),
      (name) => contents.get(name),
    );
    const question: Question = {
      ...{ identified, request: asked, phase: 'stream', read },
      atMs: this.#run.gate.clock.nowMs(),
    };
    const judgement = judge(this.#run, question);
    const refusal = refuseByDecision(judgement.decision);
    const isFirst = this.#recorded === 0 && (place.ended || place.incomplete);
    if (this.#isNews(judgement.decision) || refusal !== null || isFirst) {
      this.#recorded += 1;
      enterDecision(this.#run, bind(question, judgement));
    }
    return refusal === null ? null : cutByPolicy(refusal);
  }

  #isNews(decision: Decision): boolean {
    const names = [...decision.matched, ...decision.shadow].map(({ policy, verdict }) => `${policy} ${verdict}`);
    const fresh = names.filter((name) => !this.#told.has(name));
    for (const name of fresh) this.#told.add(name);
    return fresh.length > 0 && this.#recorded < mostDecisions;
  }
}

function readPlace({ characters, tools, ended }: Place): ReadFact {
  return (name) => {
    if (name === 'stream.characters') return characters;
    if (name === 'stream.ended') return ended;
    return name === 'stream.tools' ? tools : undefined;
  };
}

/** One event leaves or stays as a whole, so that no place of it tells the caller more than another. */
function isAsked(characters: number, index: number, all: readonly number[]): boolean {
  return index < nearPlaces || index === all.length - 1 || (characters / verdictEvery) % 8 === 0;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
