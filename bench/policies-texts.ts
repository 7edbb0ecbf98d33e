import { type DetectorId, detect, detectorIds, scan } from '../policy/detectors/index.ts';
import type { Dialect } from '../proxy/dialects/dialect.ts';
import { chatStream, messageStream } from '../proxy/dialects/fixtures/streams.ts';
import { recognizeDialect } from '../proxy/dialects/index.ts';
import { Answer } from '../proxy/pipeline/answer.ts';
import { AnswerPolicies } from '../proxy/pipeline/answer-policies.ts';
import type { Reserved } from '../proxy/pipeline/run.ts';
import { round } from './median.ts';
import { makeStreamPolicies } from './policies-sets.ts';
import { openStage } from './policies-stage.ts';
import { cpuUs, cpuUsAsync } from './policies-time.ts';

const events = 2000;
const word = 'words ';

/** CPU microseconds of an event of a stream, six characters each, in its reader. */
export interface ReaderFigures {
  dialect: string;
  us_per_event: number;
  with_text_us_per_event: number;
}

/** CPU microseconds of an event with so many stream policies, its reader included. A verdict falls on every 256 characters. */
export interface StreamFigures {
  policies: number;
  us_per_event: number;
  us_per_verdict: number | null;
}

/** CPU microseconds of one pass over a text. */
export interface DetectorFigures {
  looked_for: string;
  us_2k: number;
  us_16k: number;
}

/** What keeping its decoded text adds to the reading of a stream, by dialect. */
export function measureReaders(): ReaderFigures[] {
  const texts = Array.from({ length: events }, () => word);
  const streams: readonly (readonly [string, object, string])[] = [
    ['/v1/chat/completions', { model: 'm', messages: [] }, chatStream(texts)],
    ['/v1/messages', { model: 'm', messages: [], max_tokens: 9 }, messageStream(texts)],
  ];
  return streams.map(([path, body, stream]) => {
    const dialect = recognizeDialect({ route: { method: 'POST', path }, body, allowed: 'auto' });
    const pieces = piecesOf(stream);
    return {
      dialect: dialect.id,
      us_per_event: cpuUs(() => readStream(dialect, pieces, false), pieces.length),
      with_text_us_per_event: cpuUs(() => readStream(dialect, pieces, true), pieces.length),
    };
  });
}

function readStream(dialect: Dialect, pieces: readonly Buffer[], keepText: boolean): void {
  const reader = dialect.openStream('text/event-stream', { keepText });
  for (const piece of pieces) {
    reader.push(piece);
    if (keepText) reader.takeText();
  }
  reader.end();
}

function piecesOf(stream: string): Buffer[] {
  return stream
    .split('\n\n')
    .filter((event) => event !== '')
    .map((event) => Buffer.from(`${event}\n\n`));
}

/** What policies on a stream cost, from the chunk of its provider to what may leave. */
export async function measureStreams(): Promise<StreamFigures[]> {
  const pieces = piecesOf(chatStream(Array.from({ length: events }, () => word)));
  const verdicts = Math.floor((events * word.length) / 256);
  const figures: StreamFigures[] = [];
  for (const policies of [0, 1, 10, 100]) {
    const { identified, request, openRun } = await openStage(makeStreamPolicies(policies));
    const permit = { identified, asked: request, request, reserved: noReservation };
    const head = { status: 200, statusText: 'OK', headers: ['content-type', 'text/event-stream'] };
    const pass = async (): Promise<void> => {
      const run = openRun();
      const answer = new Answer(run, permit, { head, policies: new AnswerPolicies(run, permit) });
      for (const piece of pieces)
        await new Promise<void>((resolve, reject) => answer.take(piece, ({ cut }) => resolve(rejectCut(cut)), reject));
      await answer.conclude();
    };
    const us = await cpuUsAsync(pass, pieces.length);
    const base = figures[0]?.us_per_event;
    const perVerdict = base === undefined ? null : ((us - base) * pieces.length) / verdicts;
    figures.push({ policies, us_per_event: us, us_per_verdict: perVerdict === null ? null : round(perVerdict) });
  }
  return figures;
}

const noReservation: Reserved = {
  plan: {
    ...{ items: [], limits: [], caps: [], skipped: [], refusal: null },
    ...{ moneyReservedNanoUsd: null, redisDown: 'refuse' },
  },
  ...{ items: [], readings: [], held: false, sinceMs: [], refusedBy: null },
};

function rejectCut(cut: object | null): void {
  if (cut !== null) throw new Error('A stream of the bench was cut');
}

/** Prose with the figures, addresses and times that business texts hold, so that no detector gets by on its first look. */
const prose =
  'On 12 March at 14:05 the team in Lyon (room 4.12) wrote to sales@example.com about order 2024-118, 3,450.75 EUR, and asked whether the key of the account was changed. ';

/** One pass of each detector, of all, and of one pattern, over texts of 2 and 16 KB of prose. */
export function measureDetectors(): DetectorFigures[] {
  const [short, long] = [prose.repeat(13).slice(0, 2048), prose.repeat(100).slice(0, 16_384)];
  const over = (look: (text: string) => unknown) => ({
    us_2k: cpuUs(() => look(short)),
    us_16k: cpuUs(() => look(long)),
  });
  const lists: (readonly [string, readonly DetectorId[]])[] = detectorIds.map((id) => [id, [id]]);
  const pattern = { test: 'matches', pattern: '(?i)project-(x|y)\\b' } as const;
  return [
    ...lists.map(([name, ids]) => ({ looked_for: name, ...over((text) => detect(text, ids)) })),
    { looked_for: 'all detectors', ...over((text) => detect(text, detectorIds)) },
    { looked_for: 'one pattern', ...over((text) => scan(text, [pattern])) },
  ];
}
