// Section 6: sealed records, their keys and key updates. Section 7's connections use them too.
import { concat, u32, view } from './bytes.js';
import { demand, QrfldError } from './errors.js';
import { AEAD_TAG, derive, expandLabel, NO_CONTEXT, open, seal } from './suites.js';

/** Largest n by kind of connection. */
export const MAX_RECORD = Object.freeze({ control: 65600, bulk: 1048640 });
const MIN_RECORD = 1 + AEAD_TAG;

/** What one key may seal. */
export const KEY_LIMITS = Object.freeze({ records: 2 ** 24, bytes: 2 ** 36 });

/** @param {import('./suites.js').Suite} suite @param {Uint8Array} chain */
export const recordKey = (suite, chain) => ({
  key: expandLabel(suite, chain, 'key', NO_CONTEXT, 32),
  iv: expandLabel(suite, chain, 'iv', NO_CONTEXT, 12),
});

/** One direction of one connection: a chain of secrets, and how much its newest key has sealed. */
class Direction {
  /** @param {import('./suites.js').Suite} suite @param {number} aead @param {Uint8Array} chain is overwritten on a step @param {'control'|'bulk'} kind */
  constructor(suite, aead, chain, kind) {
    this.suite = suite;
    this.aead = aead;
    this.limit = MAX_RECORD[kind];
    this.#begin(chain);
  }

  /** @param {Uint8Array} chain */
  #begin(chain) {
    const { key, iv } = recordKey(this.suite, chain);
    this.chain = chain;
    this.key = key;
    this.iv = iv;
    this.records = 0;
    this.bytes = 0;
  }

  /** Section 6.3: the next chain; the old secrets are overwritten. */
  step() {
    const old = [this.chain, this.key, this.iv];
    this.#begin(derive(this.suite, this.chain, 'rekey'));
    for (const secret of old) secret.fill(0);
  }

  /** iv XOR the counter, which is the number of records under this key. */
  nonce() {
    const nonce = Uint8Array.from(this.iv);
    const low = view(nonce);
    low.setBigUint64(4, low.getBigUint64(4) ^ BigInt(this.records));
    return nonce;
  }

  /** @param {number} n */
  count(n) {
    this.records += 1;
    this.bytes += n;
  }
}

/** Seals what this side sends. */
export class Sealer extends Direction {
  /** @param {Uint8Array} frame @returns {Uint8Array} the record */
  seal(frame) {
    const n = frame.length + AEAD_TAG;
    demand(n >= MIN_RECORD && n <= this.limit, 'bad-record', 'a frame of a size that fits no record');
    const length = u32(n);
    const sealed = seal(this.aead, this.key, this.nonce(), length, frame);
    this.count(n);
    return concat(length, sealed);
  }

  /**
   * Whether the key has to change before a record of this size: KEY_UPDATE itself has to fit as well.
   * @param {number} frameBytes @param {{records: number, bytes: number}} limits
   */
  exhausted(frameBytes, limits) {
    const n = frameBytes + AEAD_TAG;
    return this.records + 2 > limits.records || this.bytes + n + MIN_RECORD > limits.bytes;
  }
}

/** Opens what the peer sends. */
export class Opener extends Direction {
  /** The length that four bytes announce. @param {Uint8Array} header @returns {number} @throws {QrfldError} `bad-record`, `key-limit` */
  length(header) {
    const n = view(header).getUint32(0);
    demand(n >= MIN_RECORD && n <= this.limit, 'bad-record', `a record of ${n} bytes`);
    demand(this.records < KEY_LIMITS.records && this.bytes + n <= KEY_LIMITS.bytes, 'key-limit', 'one key was used for too long');
    return n;
  }

  /** @param {Uint8Array} sealed of a length that `length` allowed @returns {Uint8Array} the frame @throws {QrfldError} `bad-record` */
  open(sealed) {
    try {
      const frame = open(this.aead, this.key, this.nonce(), u32(sealed.length), sealed);
      this.count(sealed.length);
      return frame;
    } catch {
      throw new QrfldError('bad-record', 'a record that does not open');
    }
  }
}
