/**
 * A 64-bit hash of values, in two 32-bit lanes, without allocation. Mixing constants and the last step are those of
 * MurmurHash3 (https://github.com/aappleby/smhasher/wiki/MurmurHash3). It is no protection against forged values.
 */
export class Hash64 {
  high = 0;
  low = 0;

  start(): void {
    this.high = 0x9e3779b9;
    this.low = 0x85ebca6b;
  }

  addText(text: string): void {
    let { high, low } = this;
    for (let index = 0; index < text.length; index++) {
      const unit = text.charCodeAt(index);
      high = Math.imul(high ^ unit, 0xcc9e2d51);
      high = (high << 15) | (high >>> 17);
      low = Math.imul(low ^ unit, 0x1b873593);
      low = (low << 13) | (low >>> 19);
    }
    // The length parts what comes next from what came before: ("ab", "c") is not ("a", "bc").
    this.high = Math.imul(high ^ text.length, 0xcc9e2d51) ^ (high >>> 16);
    this.low = Math.imul(low ^ text.length, 0x1b873593) ^ (low >>> 16);
  }

  addNumber(number: number): void {
    // -0 and 0 are the same value.
    double[0] = number + 0;
    this.high = Math.imul(this.high ^ (words[0] ?? 0), 0xcc9e2d51) ^ (words[1] ?? 0);
    this.low = Math.imul(this.low ^ (words[1] ?? 0), 0x1b873593) ^ Math.imul(words[0] ?? 0, 0xc2b2ae35);
  }

  /** Afterwards `high` and `low` are unsigned and every input bit has had its effect on both. */
  finish(): void {
    let { high, low } = this;
    low = mix(low ^ high);
    high = mix(high + low);
    low = mix(low + Math.imul(high, 5));
    this.high = high >>> 0;
    this.low = low >>> 0;
  }
}

const double = new Float64Array(1);
const words = new Int32Array(double.buffer);

function mix(lane: number): number {
  let mixed = lane ^ (lane >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
