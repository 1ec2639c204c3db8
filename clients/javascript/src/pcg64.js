// numpy's PCG64 with its SeedSequence, raw words only: what the Python task divides its data with.
// O'Neill 2014 (PCG XSL-RR 128/64); M. E. O'Neill's seed_seq design as numpy has it. Not for secrets.

const M32 = 0xffffffffn;
const M64 = (1n << 64n) - 1n;
const M128 = (1n << 128n) - 1n;
const STEP = 0x2360ed051fc65da44385df649fccf645n;
const POOL = 4;

/** @param {number} x @returns {number} */
const folded = (x) => (x ^ (x >>> 16)) >>> 0;

/** A hash whose constant moves on with every use. @param {number} constant @param {number} factor */
function hasher(constant, factor) {
  return (/** @type {number} */ value) => {
    const mixed = value ^ constant;
    constant = Math.imul(constant, factor) >>> 0;
    return folded(Math.imul(mixed, constant));
  };
}

/** Four 64-bit words from a seed. @param {bigint} seed of at most 128 bits @returns {bigint[]} */
function seedWords(seed) {
  const absorb = hasher(0x43b0d7e5, 0x931e8875);
  const pool = Array.from({ length: POOL }, (_, i) => absorb(Number((seed >> BigInt(32 * i)) & M32)));
  for (let from = 0; from < POOL; from++) {
    for (let to = 0; to < POOL; to++) {
      if (from === to) continue;
      const left = Math.imul(0xca01f9dd, pool[to]);
      pool[to] = folded(left - Math.imul(0x4973f715, absorb(pool[from])));
    }
  }
  const emit = hasher(0x8b51f9dd, 0x58f38ded);
  const halves = Array.from({ length: 8 }, (_, i) => BigInt(emit(pool[i % POOL])));
  return [0, 1, 2, 3].map((i) => halves[2 * i] | (halves[2 * i + 1] << 32n));
}

export class Pcg64 {
  /** @param {bigint} seed */
  constructor(seed) {
    const [a, b, c, d] = seedWords(seed);
    this.increment = ((((c << 64n) | d) << 1n) | 1n) & M128;
    this.state = this.increment;
    this.state = (this.state + ((a << 64n) | b)) & M128;
    this.#step();
  }

  #step() {
    this.state = (this.state * STEP + this.increment) & M128;
  }

  /** @returns {bigint} 64 bits */
  next() {
    this.#step();
    const word = (this.state >> 64n) ^ (this.state & M64);
    const turn = this.state >> 122n;
    return ((word >> turn) | (word << (64n - turn))) & M64;
  }

  /** @param {number} count @returns {BigUint64Array} */
  words(count) {
    return BigUint64Array.from({ length: count }, () => this.next());
  }

  /** Numbers of 0 to 1, 1 excluded. @param {number} count @returns {Float64Array} */
  uniform(count) {
    return Float64Array.from({ length: count }, () => Number(this.next() >> 11n) * 2 ** -53);
  }
}
