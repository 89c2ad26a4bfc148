/** @file Structural similarity of two pictures. */

/** Window and constants of Wang et al. 2004, §III.B–C: an 11 × 11 Gaussian of standard deviation 1.5, K₁ = 0.01, K₂ = 0.03. */
const WINDOW = 11;
const DEVIATION = 1.5;
const K1 = 0.01;
const K2 = 0.03;

export interface Plane {
  readonly width: number;
  readonly height: number;
  /** Row by row. */
  readonly values: ArrayLike<number>;
}

/**
 * Mean structural similarity (Wang et al., "Image quality assessment: from error visibility to structural similarity",
 * IEEE Transactions on Image Processing 13, 2004, equations 13–17) over all places where the window fits. Pictures with
 * sides below 11 get the largest odd window that fits.
 *
 * @param range L, the difference between the largest and the smallest value that the pictures can have
 * @returns in [−1, 1]; 1 for equal pictures
 * @throws RangeError for pictures of different sizes, or a range that is not above 0
 * @example
 * ssim({ width: 28, height: 28, values: before }, { width: 28, height: 28, values: after }, 1);
 */
export function ssim(a: Plane, b: Plane, range: number): number {
  const { width, height } = a;
  if (b.width !== width || b.height !== height)
    throw new RangeError(
      `pictures of ${width} × ${height} and ${b.width} × ${b.height} pixels have no structural similarity`,
    );
  if (!(range > 0)) throw new RangeError(`the range of the values must be above 0, not ${range}`);
  const side = Math.min(WINDOW, 2 * Math.ceil(Math.min(width, height) / 2) - 1);
  const means = (of: (i: number) => number) => windowMeans(width, height, side, of);
  const [x, y] = [a.values, b.values];
  const [meanX, meanY] = [means((i) => x[i]!), means((i) => y[i]!)];
  const [squaresX, squaresY] = [means((i) => x[i]! ** 2), means((i) => y[i]! ** 2)];
  const products = means((i) => x[i]! * y[i]!);
  const [c1, c2] = [(K1 * range) ** 2, (K2 * range) ** 2];
  let sum = 0;
  for (let i = 0; i < meanX.length; i++) {
    const [mx, my] = [meanX[i]!, meanY[i]!];
    const [varianceX, varianceY] = [squaresX[i]! - mx * mx, squaresY[i]! - my * my];
    const covariance = products[i]! - mx * my;
    sum += ((2 * mx * my + c1) * (2 * covariance + c2)) / ((mx * mx + my * my + c1) * (varianceX + varianceY + c2));
  }
  return sum / meanX.length;
}

/** Means under the window at every place where it fits: its Gaussian is a product of rows and columns. */
function windowMeans(width: number, height: number, side: number, of: (i: number) => number): Float64Array {
  const weights = gaussian(side);
  const [columns, rows] = [width - side + 1, height - side + 1];
  const across = new Float64Array(columns * height);
  const line = new Float64Array(width);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) line[x] = of(y * width + x);
    for (let x = 0; x < columns; x++)
      for (let k = 0; k < side; k++) across[y * columns + x]! += weights[k]! * line[x + k]!;
  }
  const means = new Float64Array(columns * rows);
  for (let y = 0; y < rows; y++)
    for (let k = 0; k < side; k++)
      for (let x = 0; x < columns; x++) means[y * columns + x]! += weights[k]! * across[(y + k) * columns + x]!;
  return means;
}

function gaussian(side: number): Float64Array {
  const weights = Float64Array.from({ length: side }, (_, k) =>
    Math.exp(-((k - (side - 1) / 2) ** 2) / (2 * DEVIATION ** 2)),
  );
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}
