/** HTTP statuses ClickHouse's own HTTP handler gives to its exception codes; every other code is 500. */
const statusOfCode = new Map<number, number>([
  ...[6, 26, 27, 33, 36, 38, 41, 42, 43, 47, 53, 62, 72, 117, 456].map((code): [number, number] => [code, 400]),
  ...[46, 50, 56, 60, 73, 81, 115].map((code): [number, number] => [code, 404]),
  ...[192, 193, 516].map((code): [number, number] => [code, 403]),
  [48, 501],
  [159, 408],
  [194, 401],
  [202, 429],
  [210, 503],
]);

const names = new Map<number, string>([
  [36, 'BAD_ARGUMENTS'],
  [48, 'NOT_IMPLEMENTED'],
  [62, 'SYNTAX_ERROR'],
  [115, 'UNKNOWN_SETTING'],
  [164, 'READONLY'],
  [191, 'QUERY_IS_TOO_LARGE'],
  [202, 'TOO_MANY_SIMULTANEOUS_QUERIES'],
  [210, 'NETWORK_ERROR'],
  [516, 'AUTHENTICATION_FAILED'],
]);

/** An error as ClickHouse's HTTP interface speaks it. `text` may hold parts of a query: send it back, never log it. */
export class ClickHouseException extends Error {
  readonly exceptionCode: number;
  readonly status: number;
  readonly text: string;

  constructor(code: number, message: string, text?: string) {
    super(message);
    this.name = 'ClickHouseException';
    this.exceptionCode = code;
    this.status = code === 191 ? 413 : (statusOfCode.get(code) ?? 500);
    this.text = text ?? `Code: ${code}. DB::Exception: ${message}. (${names.get(code) ?? 'STD_EXCEPTION'})\n`;
  }
}

/** Turns whatever chDB threw into the exception its text names; text without a code becomes code 1002, as in ClickHouse. */
export function toException(error: unknown): ClickHouseException {
  if (error instanceof ClickHouseException) return error;
  const message = error instanceof Error ? error.message : String(error);
  const code = /^Code: (\d+)\./.exec(message)?.[1];
  if (code === undefined) return new ClickHouseException(1002, message);
  return new ClickHouseException(Number(code), message, message.endsWith('\n') ? message : `${message}\n`);
}
