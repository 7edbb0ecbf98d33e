/** A straight line through points by least squares. */
export interface Slope {
  /** Rise of y by unit of x, and its standard error; NaN under three points. */
  perUnit: number;
  error: number;
  mean: number;
  points: number;
}

/** Fits y over x. */
export function fitSlope(points: readonly { x: number; y: number }[]): Slope {
  const n = points.length;
  const meanOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / n;
  const meanX = meanOf(points.map(({ x }) => x));
  const meanY = meanOf(points.map(({ y }) => y));
  const spread = points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0);
  const perUnit = points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0) / spread;
  const rest = points.reduce((sum, { x, y }) => sum + (y - meanY - perUnit * (x - meanX)) ** 2, 0);
  const error = n < 3 ? Number.NaN : Math.sqrt(rest / (n - 2) / spread);
  return { perUnit: n < 3 ? Number.NaN : perUnit, error, mean: meanY, points: n };
}

/**
 * Means of stretches of `width` of x. Memory between two garbage collections rises and falls: neighbouring samples are not
 * independent, and a line through them would claim an error that is too small.
 */
export function averageBlocks(points: readonly { x: number; y: number }[], width: number): { x: number; y: number }[] {
  const blocks = new Map<number, { x: number; y: number }[]>();
  for (const point of points) {
    const nth = Math.floor(point.x / width);
    blocks.set(nth, [...(blocks.get(nth) ?? []), point]);
  }
  return [...blocks.entries()].map(([nth, inside]) => ({
    x: (nth + 0.5) * width,
    y: inside.reduce((sum, { y }) => sum + y, 0) / inside.length,
  }));
}
