/** What may go wrong with a region's instances: not offered at all, or not to be had for now. */

/** How a type is offered in the region; SageMaker has two ways to say that it is not. */
export const offers = ['offered', 'unsupported', 'unavailable'] as const;
export type Offer = (typeof offers)[number];

/** Faults of the platform that a user or a test orders, for they cannot be waited for. */
export class Faults {
  readonly #noCapacity: Set<string>;
  readonly #offers = new Map<string, Offer>();
  readonly #interruptions = new Map<string, () => void>();

  /** @param noCapacity instance types that are not to be had, for example `ml.p5.48xlarge` */
  constructor(noCapacity: readonly string[]) {
    this.#noCapacity = new Set(noCapacity);
  }

  get noCapacity(): readonly string[] {
    return [...this.#noCapacity];
  }

  setCapacity(instanceType: string, available: boolean): void {
    if (available) this.#noCapacity.delete(instanceType);
    else this.#noCapacity.add(instanceType);
  }

  hasCapacity(instanceType: string): boolean {
    return !this.#noCapacity.has(instanceType);
  }

  setOffer(instanceType: string, offer: Offer): void {
    this.#offers.set(instanceType, offer);
  }

  offerOf(instanceType: string): Offer {
    return this.#offers.get(instanceType) ?? 'offered';
  }

  /** Called by a running spot job. @returns function that ends the registration */
  onInterruption(jobArn: string, interrupt: () => void): () => void {
    this.#interruptions.set(jobArn, interrupt);
    return () => this.#interruptions.delete(jobArn);
  }

  /** Takes the instance from a running spot job. @returns false when no such job runs */
  interrupt(jobArn: string): boolean {
    const interruption = this.#interruptions.get(jobArn.toLowerCase());
    interruption?.();
    return interruption !== undefined;
  }
}
