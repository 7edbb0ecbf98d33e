export const contenderNames = ['direct', 'bare', 'nginx', 'portkey', 'hoc'] as const;
export type ContenderName = (typeof contenderNames)[number];

/** Something that the load can be sent through, running. */
export interface Contender {
  readonly name: ContenderName;
  /** Where the load goes: the chat completions route of this contender. */
  readonly url: string;
  /** What a request needs beside its content type. */
  readonly headers: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** What a contender needs to know to start. */
export interface ContenderContext {
  /** Base URL of the bench's provider, without a path. */
  upstream: string;
  /** A folder of its own that is removed afterwards. */
  folder: string;
  env: Readonly<Record<string, string | undefined>>;
}

/** A contender that cannot take part, and why. */
export interface Absent {
  readonly name: ContenderName;
  readonly absent: string;
}
