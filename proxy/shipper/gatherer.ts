import type {
  Series,
  ShipperTelemetry,
  SpoolFinding,
  SpoolFrame,
  SpoolPosition,
  SpoolSlice,
  SpoolSource,
} from './ports.ts';

/** When a batch is cut: at this many frames, at these bytes, or this long after its first frame was seen. */
export interface BatchLimits {
  frames: number;
  bytes: number;
  lingerMs: number;
}

const frameHeaderBytes = 32;

/** Collects what one series of the spool has to give, until it is enough for a batch. Holds at most one batch. */
export class Gatherer {
  readonly series: Series;
  readonly #source: SpoolSource;
  readonly #limits: BatchLimits;
  readonly #telemetry: ShipperTelemetry;
  #frames: SpoolFrame[] = [];
  #findings: SpoolFinding[] = [];
  #bytes = 0;
  #from: SpoolPosition | null = null;
  #to: SpoolPosition | null = null;
  #end: SpoolSlice['end'] = 'waiting';
  #firstSeenAtMs = 0;

  constructor(input: { series: Series; source: SpoolSource; limits: BatchLimits; telemetry: ShipperTelemetry }) {
    this.series = input.series;
    this.#source = input.source;
    this.#limits = input.limits;
    this.#telemetry = input.telemetry;
  }

  /** Frames collected so far. */
  get count(): number {
    return this.#frames.length;
  }

  /** Where the next reading begins; null before the first. */
  get to(): SpoolPosition | null {
    return this.#to;
  }

  /** How the last reading ended. */
  get end(): SpoolSlice['end'] {
    return this.#end;
  }

  /** Reads on, from `position` where nothing is collected, as far as one batch can take. Returns frames newly seen. */
  async poll(position: SpoolPosition, epochIsOver: boolean, nowMs: number): Promise<number> {
    if (this.#from === null || this.#to === null) {
      this.#from = position;
      this.#to = position;
    }
    const frames = this.#limits.frames - this.#frames.length;
    const bytes = this.#limits.bytes - this.#bytes;
    if (frames <= 0 || bytes <= 0) return 0;
    const slice = await this.#source.read({
      series: this.series,
      from: this.#to,
      budget: { frames, bytes },
      epochIsOver,
    });
    for (const finding of slice.findings) this.#telemetry.found(finding);
    this.#findings.push(...slice.findings);
    if (this.#frames.length === 0) this.#firstSeenAtMs = nowMs;
    for (const frame of slice.frames) this.#bytes += frameHeaderBytes + frame.head.length + frame.tail.length;
    this.#frames = this.#frames.length === 0 ? [...slice.frames] : this.#frames.concat(slice.frames);
    this.#to = slice.to;
    this.#end = slice.end;
    return slice.frames.length;
  }

  /** Whether what is collected should go now: enough of it, or for long enough, or nothing will ever follow. */
  isDue(nowMs: number): boolean {
    if (this.#frames.length === 0) return false;
    return this.#end !== 'waiting' || nowMs - this.#firstSeenAtMs >= this.#limits.lingerMs;
  }

  /** Hands over what was collected, and begins anew behind it. */
  take(): {
    frames: readonly SpoolFrame[];
    findings: readonly SpoolFinding[];
    from: SpoolPosition;
    to: SpoolPosition;
  } {
    const [from, to, frames, findings] = [this.#from, this.#to, this.#frames, this.#findings];
    if (from === null || to === null) throw new Error('nothing was gathered');
    this.#frames = [];
    this.#findings = [];
    this.#bytes = 0;
    this.#from = null;
    this.#to = null;
    this.#end = 'waiting';
    return { frames, findings, from, to };
  }
}
