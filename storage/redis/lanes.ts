import type { Ending, ReserveReply, ReserveRequest } from '../schema/reservation.ts';

/** A reservation that waits for its turn, and whom to answer. */
export interface WaitingReserve {
  request: ReserveRequest;
  answer: (reply: ReserveReply) => void;
}

/** A settlement that waits for its turn; `done` gets null, or the reason why it is not known to be done. */
export interface WaitingSettle {
  request: Ending;
  done: (reason: string | null) => void;
}

export interface Lane {
  settles: WaitingSettle[];
  reserves: WaitingReserve[];
}

/** What goes into one call: settlements first, since they give room. */
export function takeCall(lane: Lane, most: number): Lane {
  const settles = lane.settles.splice(0, most);
  return { settles, reserves: lane.reserves.splice(0, most - settles.length) };
}

/** Tells everybody in the lane that nothing is known to have been done. */
export function answerDown(lane: Lane, reason: string): void {
  for (const { done } of lane.settles) done(reason);
  for (const { answer } of lane.reserves) answer({ kind: 'down', reason });
}

/** Hands each reservation its reply, and tells every settlement that it is done. */
export function answerAll(lane: Lane, replies: readonly ReserveReply[]): void {
  for (const { done } of lane.settles) done(null);
  for (const [index, { answer }] of lane.reserves.entries()) {
    answer(replies[index] ?? { kind: 'down', reason: 'unreadable' });
  }
}
