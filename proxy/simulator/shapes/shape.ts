import type { Answer } from '../answer.ts';
import type { Asked, Unanswerable } from '../asked.ts';

/** How one vendor words requests, answers and errors. */
export interface Shape {
  /** Prefix of the ids of its answers. */
  idPrefix: string;
  readAsked(body: unknown): Asked | Unanswerable;
  /** The whole answer as a JSON text. */
  renderWhole(answer: Answer): string;
  /** Events before the first piece of text. */
  renderOpening(answer: Answer): string;
  /** Makes the function that words the event of one piece, so that what is the same in all is made once; `index` counts pieces. */
  preparePiece(answer: Answer): (piece: string, choice: number, index: number) => string;
  /** Events after the last piece, the terminal one included. */
  renderClosing(answer: Answer): string;
  renderError(error: { status: number; message: string; requestId: string }): string;
}
