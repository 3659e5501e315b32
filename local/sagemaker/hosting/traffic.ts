/** A share of the traffic: `weight` is relative to the sum of all weights, as SageMaker's variant weights are. */
export interface Share<T> {
  readonly target: T;
  readonly weight: number;
}

/**
 * Splits requests by weight. Request n draws the fractional part of n · φ⁻¹, which fills [0, 1) evenly from the first requests on, so
 * that a canary of 10 % gets 10 of 100 requests and not, as with independent draws, 4 to 17; it has no period that a client's
 * own pattern could meet. (Additive recurrence: Niederreiter, Random Number Generation and Quasi-Monte Carlo Methods, 1992, §3.)
 */
export class TrafficSplitter {
  private point = 0;

  /** The target of the next request; undefined when no share has a weight above 0. */
  next<T>(shares: readonly Share<T>[]): T | undefined {
    const total = shares.reduce((sum, share) => sum + share.weight, 0);
    if (total <= 0) return undefined;
    this.point = (this.point + 0.618033988749895) % 1;
    let left = this.point * total;
    for (const share of shares) {
      left -= share.weight;
      if (left < 0) return share.target;
    }
    // Rounding can leave a rest of about 1e-16 after the last share.
    return shares.findLast((share) => share.weight > 0)?.target;
  }
}
