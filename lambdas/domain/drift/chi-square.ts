/**
 * The chi-square distribution with `degrees` (> 0) degrees of freedom: its upper tail and quantiles.
 * Checked against scipy.stats.chi2 to 10 digits in the tests.
 */

/**
 * P(X > value): the regularized upper incomplete gamma function Q(degrees / 2, value / 2).
 * Series below the mean, continued fraction (Lentz) above: Numerical Recipes, 3rd edition, §6.2.
 */
export function chiSquareTail(value: number, degrees: number): number {
  if (!(degrees > 0)) throw new RangeError(`got ${degrees} degrees of freedom, expected more than 0`);
  if (value <= 0) return 1;
  if (value === Number.POSITIVE_INFINITY) return 0;
  const a = degrees / 2;
  const x = value / 2;
  const scale = Math.exp(a * Math.log(x) - x - logGamma(a));
  return x < a + 1 ? 1 - scale * lowerSeries(a, x) : scale * upperFraction(a, x);
}

/**
 * The value that X exceeds with probability `tail` (0 < tail < 1): Wilson-Hilferty's cube (1931) brackets it, bisection
 * on the tail finishes to double precision.
 */
export function chiSquareQuantile(tail: number, degrees: number): number {
  if (!(tail > 0 && tail < 1)) throw new RangeError(`got tail probability ${tail}, expected one between 0 and 1`);
  let low = 0;
  let high = Math.max(1, 2 * wilsonHilferty(tail, degrees));
  while (chiSquareTail(high, degrees) > tail) high *= 2;
  for (let step = 0; step < 200; step++) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) break;
    if (chiSquareTail(middle, degrees) > tail) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

const PRECISION = 1e-16;
/** Enough for the fraction and the series at any degrees of freedom up to some millions: both converge in O(sqrt(a)). */
const MAXIMUM_STEPS = 100_000;

function lowerSeries(a: number, x: number): number {
  let term = 1 / a;
  let sum = term;
  for (let n = 1; n < MAXIMUM_STEPS && term > sum * PRECISION; n++) {
    term *= x / (a + n);
    sum += term;
  }
  return sum;
}

function upperFraction(a: number, x: number): number {
  const tiny = 1e-300;
  let b = x + 1 - a;
  let c = 1 / tiny;
  let d = 1 / b;
  let product = d;
  for (let n = 1; n < MAXIMUM_STEPS; n++) {
    const numerator = -n * (n - a);
    b += 2;
    const denominator = numerator * d + b;
    d = 1 / (Math.abs(denominator) < tiny ? tiny : denominator);
    const next = b + numerator / c;
    c = Math.abs(next) < tiny ? tiny : next;
    const factor = d * c;
    product *= factor;
    if (Math.abs(factor - 1) < PRECISION) break;
  }
  return product;
}

/** ln Γ(x) for x > 0: the recurrence up to 10, then Stirling's series (Abramowitz & Stegun 6.1.41). */
function logGamma(x: number): number {
  let shift = 0;
  let y = x;
  for (; y < 10; y++) shift += Math.log(y);
  const inverse = 1 / (y * y);
  const series = (1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse * (1 / 1680 - inverse / 1188)))) / y;
  return (y - 0.5) * Math.log(y) - y + 0.5 * Math.log(2 * Math.PI) + series - shift;
}

function wilsonHilferty(tail: number, degrees: number): number {
  // A rough normal quantile (Abramowitz & Stegun 26.2.22, error below 0.003) is enough for a bracket.
  const p = Math.min(tail, 1 - tail);
  const t = Math.sqrt(-2 * Math.log(p));
  const upper = t - (2.30753 + 0.27061 * t) / (1 + t * (0.99229 + 0.04481 * t));
  const normal = tail <= 0.5 ? upper : -upper;
  const spread = 2 / (9 * degrees);
  return degrees * Math.max(0, 1 - spread + normal * Math.sqrt(spread)) ** 3;
}
