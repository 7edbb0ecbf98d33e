import type { Decision } from '../../storage/schema/decision.ts';
import type { StreamText } from '../dialects/dialect.ts';
import { StreamWindow } from '../dialects/stream-window.ts';
import { type Cut, cutByPolicy } from './cut.ts';
import { type InspectedTexts, inspectPhase } from './inspect.ts';
import type { Intended } from './intent.ts';
import type { Contents } from './phase-texts.ts';
import { firstOf, type ReadFact } from './read-fact.ts';
import { bind, enterDecision, judge, type Question, refuseByDecision } from './rule.ts';
import type { Run } from './run.ts';

/** Most decisions of one stream that go on its record; policies that first match after those change nothing any more. */
const mostDecisions = 64;

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

  constructor(run: Run, permit: Intended) {
    this.#run = run;
    this.#permit = permit;
  }

  /** Asks on what has come, place by place. Null: it may pass. A promise where a place takes a look by another thread. */
  look(texts: readonly StreamText[]): StreamCut | null | Promise<StreamCut | null> {
    return this.#askAll(this.#listPlaces(texts));
  }

  #listPlaces(texts: readonly StreamText[]): readonly Due[] {
    const due: Due[] = [];
    for (const { from, text, tools, incomplete } of texts) {
      const places = this.#window.feed(text);
      // From here on not all of the text is known: that is asked at once.
      if (incomplete && !this.#incomplete && places.length === 0) places.push(this.#window.total());
      this.#incomplete ||= incomplete;
      for (const characters of places) {
        const window = this.#window.window(characters);
        due.push({ from, place: { characters, window, tools, incomplete: this.#incomplete, ended: false } });
      }
    }
    return due;
  }

  #askAll(due: readonly Due[], at = 0): StreamCut | null | Promise<StreamCut | null> {
    for (const [index, { from, place }] of due.entries()) {
      if (index < at) continue;
      const cut = this.#ask(place);
      if (cut instanceof Promise)
        return cut.then((late) => (late === null ? this.#askAll(due, index + 1) : { from, cut: late }));
      if (cut !== null) return { from, cut };
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
