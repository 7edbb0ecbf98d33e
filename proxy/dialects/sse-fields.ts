/** What a dialect does with the events of a stream. All texts hold one character per byte (latin1). */
export interface SseHandler {
  /** One complete event; `name` is '' where the stream names none, `from` the offset in the stream of its first line. */
  event(name: string, data: string, from: number): void;
  /** An event larger than `maxEventBytes` went by; `bytes` of data. `head` is how it began, where heads are kept. */
  passedOver(bytes: number, head: string, from: number): void;
  /** Whether this line, without its end, names the terminal event. Must hold already when only its end is missing. */
  endsStream(line: string): boolean;
  /** The terminal event is complete: what it named, and its data. */
  ended(name: string, data: string, from: number): void;
  /**
   * The stream holds what some client may read and this one cannot: a line that is no field, or an event that is longer than
   * `maxEventBytes`, as soon as that is known.
   */
  unclear(): void;
}

/** Fields that say nothing of an event. */
const otherField = /^(?:id|retry)(?::|$)/;

/** Value of a field whose name has `nameLength` characters, or null when the line names another field. */
export function fieldValue(line: string, nameLength: number): string | null {
  if (line.length === nameLength) return '';
  if (line.charCodeAt(nameLength) !== 0x3a) return null;
  return line.slice(line.charCodeAt(nameLength + 1) === 0x20 ? nameLength + 2 : nameLength + 1);
}

/** Whether a line is a field of the format that says nothing of an event. */
export function isOtherField(line: string): boolean {
  return otherField.test(line);
}
