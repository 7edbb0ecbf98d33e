import type { Decision } from '../../storage/schema/decision.ts';
import type { StreamText } from '../dialects/dialect.ts';
import { StreamWindow } from '../dialects/stream-window.ts';
import { type Cut, cutByPolicy } from './cut.ts';
import { inspectHere } from './inspect.ts';
import type { Intended } from './intent.ts';
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

  /** Asks on what has come. Null: it may pass. */
  look(texts: readonly StreamText[]): StreamCut | null {
    for (const { from, text, tools, incomplete } of texts) {
      const places = this.#window.feed(text);
      // From here on not all of the text is known: that is asked at once.
      if (incomplete && !this.#incomplete && places.length === 0) places.push(this.#window.total());
      this.#incomplete ||= incomplete;
      for (const characters of places) {
        const place = { characters, window: this.#window.window(characters), tools };
        const cut = this.#ask({ ...place, incomplete: this.#incomplete, ended: false });
        if (cut !== null) return { from, cut };
      }
    }
    return null;
  }

  /** Asks on a stream of which no text can be told, before any of it passes. */
  askUnread(): Cut | null {
    return this.#ask({ characters: 0, window: '', tools: [], incomplete: true, ended: false });
  }

  /** Asks once more, on the end of the text. */
  end(tools: readonly string[], incomplete: boolean): Cut | null {
    const window = this.#window.window();
    return this.#ask({ characters: this.#window.total(), window, tools, incomplete, ended: true });
  }

  #ask(place: Place): Cut | null {
    const { identified, asked } = this.#permit;
    const read = firstOf(this.#run.readFact, this.#readPlace(place));
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

  #readPlace({ characters, window, tools, incomplete, ended }: Place): ReadFact {
    const text = incomplete ? null : window;
    const contents = new Map([['stream.text', text]]);
    const { policies } = this.#permit.identified.tenant;
    const texts = text === null ? null : [text];
    const inspected = inspectHere(policies, {
      ...{ phase: 'stream', prefix: 'stream.detectors.', texts, contents },
      tools: { names: tools, argumentTexts: [] },
    });
    const plain: ReadFact = (name) => {
      if (name === 'stream.characters') return characters;
      if (name === 'stream.ended') return ended;
      return name === 'stream.tools' ? tools : undefined;
    };
    return firstOf(
      plain,
      (name) => inspected.read(name),
      (name) => contents.get(name),
    );
  }
}
